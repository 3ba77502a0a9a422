package upload

import (
	"mime"
	"net/http"
	"path"
	"strings"
)

// sniffed is how many bytes of a file tell its type.
const sniffed = 512

// refinements say what a name adds where bytes alone tell little: the types
// that http.DetectContentType gives, and for each what files of that form are,
// by extension. A name never makes one form of bytes into another.
var refinements = map[string]map[string]string{
	"application/zip": {
		".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
		".odt":  "application/vnd.oasis.opendocument.text",
		".ods":  "application/vnd.oasis.opendocument.spreadsheet",
		".odp":  "application/vnd.oasis.opendocument.presentation",
		".epub": "application/epub+zip",
	},
	"text/plain": {
		".csv": "text/csv", ".md": "text/markdown", ".json": "application/json", ".ics": "text/calendar", ".vcf": "text/vcard",
		".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml", ".svg": "image/svg+xml", ".xml": "text/xml",
		".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".eml": "message/rfc822",
	},
	"text/xml":   {".svg": "image/svg+xml", ".xhtml": "application/xhtml+xml"},
	"video/webm": {".mkv": "video/x-matroska", ".mka": "audio/x-matroska"},
	"video/mp4":  {".m4a": "audio/mp4"},
	"application/octet-stream": {
		".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
		".msg": "application/vnd.ms-outlook", ".7z": "application/x-7z-compressed", ".tif": "image/tiff", ".tiff": "image/tiff",
		".heic": "image/heic", ".avif": "image/avif", ".mov": "video/quicktime", ".aac": "audio/aac", ".flac": "audio/flac",
	},
}

// Type gives the media type of a file, without parameters: what its first
// bytes are, made more exact by the extension of its name. What the sender
// claims plays no part.
func Type(head []byte, name string) string {
	found, _, err := mime.ParseMediaType(http.DetectContentType(head[:min(sniffed, len(head))]))
	if err != nil {
		return "application/octet-stream"
	}
	if exact := refinements[found][strings.ToLower(path.Ext(name))]; exact != "" {
		return exact
	}
	return found
}
