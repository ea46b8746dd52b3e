package problem

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
)

// Page is a template that is known to work, with the policy it is sent under.
type Page struct {
	template *template.Template
	csp      string // empty: the app's own
}

//go:embed page.html
var html string

// own is the page of Gate itself, tried with a view.
//
// Its Content-Security-Policy lets it load, run, frame and send nothing; its one
// style element is let through by its hash. 'unsafe-inline' would let through any
// style that got into the page, too.
func own(view any) *Page {
	p := &Page{template: template.Must(template.New("denial").Parse(html))}
	b, err := p.render(view)
	if err != nil {
		panic(err) // the page is part of the program
	}
	_, style, _ := bytes.Cut(b, []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	hash := sha256.Sum256(style)
	p.csp = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return p
}

// of is a template of the app's, tried with views.
func of(t *template.Template, views ...any) (*Page, error) {
	if t == nil {
		return nil, errors.New("the denial template is nil")
	}
	// A copy, since no template can be added to a set that was executed; one that was
	// executed already can't be copied, and needs not.
	if c, err := t.Clone(); err == nil {
		t = c
	}
	p := &Page{template: t}
	for _, view := range views {
		b, err := p.render(view)
		if err != nil {
			return nil, fmt.Errorf("the denial template: %w", err)
		}
		if len(bytes.TrimSpace(b)) == 0 {
			return nil, errors.New("the denial template writes nothing")
		}
	}
	return p, nil
}

func (p *Page) render(view any) ([]byte, error) {
	var b bytes.Buffer
	if err := p.template.Execute(&b, view); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
