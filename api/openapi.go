package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

const schemaPrefix = "#/components/schemas/"

func (s *Server) humaConfig() huma.Config {
	version := s.Version
	if version == "" {
		version = "0.0.0"
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Reelvault",
				Version: version,
				Description: "Records what happens between a customer and an operator. Times are RFC 3339 in UTC with milliseconds, " +
					"durations and offsets milliseconds, ids UUIDv7. Lists have items and next. Problems are RFC 9457. " +
					"What belongs to another tenant does not exist.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(schemaPrefix, schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "An API token or a ticket"},
					"cookie": {
						Type: "apiKey", In: "cookie", Name: s.cookieName(),
						Description: "A sign-in; every request but GET and HEAD repeats csrfToken of GET /me in " + csrfHeader,
					},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{s.validationProblem},
	}
}

// jsonFormat is Huma's, but refuses what is not UTF-8 (RFC 8259, section 8.1):
// the decoder would replace it, and what somebody said is kept as it was sent.
var jsonFormat = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errors.New("the body is not UTF-8")
		}
		return huma.DefaultJSONFormat.Unmarshal(data, v)
	},
}

// schemaName names a schema after what it shows: our types that do end in View.
func schemaName(t reflect.Type, hint string) string {
	return strings.ReplaceAll(huma.DefaultSchemaNamer(t, hint), "View", "")
}

// jsonResponse documents a second answer that has the shape of a schema.
func jsonResponse(description, schema string) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + schema}},
	}}
}

// finishSpec renders the document once all operations are there. Huma's own
// error schemas go: no answer has them.
func (s *Server) finishSpec(spec *huma.OpenAPI) error {
	delete(spec.Components.Schemas.Map(), "ErrorModel")
	delete(spec.Components.Schemas.Map(), "ErrorDetail")
	doc, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return fmt.Errorf("render OpenAPI document: %w", err)
	}
	s.spec = append(doc, '\n')
	return nil
}
