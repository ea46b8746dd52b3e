package status

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html/template"
)

//go:embed page.html
var html string

var (
	page = template.Must(template.New("status").Parse(html))
	// policy lets the page load, run, frame and send nothing; its one style element is let
	// through by its hash.
	policy = "default-src 'none'; style-src 'sha256-" + styleHash() + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// styleHash is of the style element, which has nothing of the template's in it.
func styleHash() string {
	_, style, _ := bytes.Cut([]byte(html), []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	hash := sha256.Sum256(style)
	return base64.StdEncoding.EncodeToString(hash[:])
}

// row is one of the table of decisions.
type row struct {
	Name, Means string
	counts
}

// Rows are the decisions by what they rest on.
func (d decisions) Rows() []row {
	return []row{
		{"fresh", "what Stigg said a moment ago", d.Fresh},
		{"stale", "what Stigg said before", d.Stale},
		{"fallback", "the outage policy", d.Fallback},
		{"offline", "the fallbacks of a gate that is offline", d.Offline},
		{"early", "nothing: no customer, or no such route", d.Early},
	}
}

// Age is how long before the page the oldest usage was made.
func (s status) Age() string {
	if s.Usage.Oldest == nil {
		return ""
	}
	return s.At.Sub(*s.Usage.Oldest).Truncate(1e9).String()
}
