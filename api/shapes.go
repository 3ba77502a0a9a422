package api

import (
	"errors"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// timeFormat is RFC 3339 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// stamp shows a time; the zero time is shown as nothing.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// body is an answer that is a JSON document.
type body[T any] struct {
	Body T
}

func answer[T any](v T) *body[T] { return &body[T]{v} }

// page is one page of a list.
type page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next" doc:"Cursor of the next page; empty on the last"`
}

// maxPage is the most that one page of a list holds.
const maxPage = 500

// pageInput asks for one page of a list.
type pageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most"`
	Cursor string `query:"cursor" maxLength:"512" doc:"What the page before gave as next"`
}

func (p pageInput) page() storage.Page { return storage.Page{After: p.Cursor, Limit: p.Limit} }

// cursorError says where in the request an unreadable cursor stands, which the
// catalog can't know.
func cursorError(err error) error {
	var e *reelvault.Error
	if !errors.As(err, &e) || e.Kind != reelvault.Invalid {
		return err
	}
	return &reelvault.Error{Kind: e.Kind, Message: e.Message, Location: "query.cursor", Cause: err}
}

// idInput names the thing that an operation is about. Inputs with more fields
// repeat it: Huma does not look into embedded types that are not exported.
type idInput struct {
	ID string `path:"id"`
}

// optional is a query parameter that makes a difference by its absence.
type optional[T any] struct {
	Value T
	Set   bool
}

// Schema implements huma.SchemaProvider: the document knows the value only.
func (o *optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver implements huma.ParamWrapper.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet implements huma.ParamReactor.
func (o *optional[T]) OnParamSet(set bool, _ any) { o.Set = set }

// pointer gives nil for an absent parameter.
func (o *optional[T]) pointer() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}
