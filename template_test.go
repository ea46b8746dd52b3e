package gate

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestTheAppsOwnTemplate(t *testing.T) {
	own := template.Must(template.New("own").Parse(`<h1>{{.Title}}</h1>{{.Status}} {{.FeatureName}} {{.Requested}}+{{.Used}}/{{.Limit}} {{.Type}} <a href="{{.UpgradeURL}}">`))
	g := gateOf(t, &stub{}, WithDenialTemplate(own), WithUpgradeLink("https://app.example.com/"))
	d := fullTemplates
	d.FeatureName = "<b>"
	w := pageOf(g, "GET", denied(g, d))
	want := `<h1>Plan limit reached</h1>402 &lt;b&gt; 3+3/5 https://github.com/stiggate/gate/blob/main/docs/denials.md#usage_limit_exceeded <a href="https://app.example.com/">`
	if w.Code != 402 || w.Body.String() != want || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Content-Security-Policy") != "" {
		t.Errorf("got %d %v %s\nwant %s", w.Code, w.Header(), w.Body, want)
	}
	if _, err := own.New("another").Parse("x"); err != nil {
		t.Errorf("the app can't add to its templates any more: %v", err)
	}
}

func TestATemplateIsTriedAtNew(t *testing.T) {
	executed := template.Must(template.New("").Parse("{{.Title}}"))
	_ = executed.Execute(&bytes.Buffer{}, DenialPage{})
	tests := []struct {
		name string
		t    *template.Template
		want string // part of the error; empty: none
	}{
		{"one that was used before", executed, ""},
		{"one of several", template.Must(template.New("").Parse(`{{define "part"}}{{.Code}}{{end}}{{template "part" .}}`)), ""},
		{"none", nil, "is nil"},
		{"a field that is not there", template.Must(template.New("").Parse("{{.Customer}}")), "Customer"},
		{"a field that is not there, where there is no upgrade", template.Must(template.New("").Parse("{{if .UpgradeURL}}ok{{else}}{{.Titel}}{{end}}")), "Titel"},
		{"a template that is not there", template.Must(template.New("").Parse(`{{template "part"}}`)), "part"},
		{"a set without its main one", template.New("main.html"), "main.html"},
		{"nothing but definitions", template.Must(template.New("").Parse(`{{define "page"}}x{{end}} `)), "denial template"},
		{"nothing to see", template.Must(template.New("").Parse(`{{if .Title}} {{end}}`)), "writes nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := New(&stub{}, fromHeader("X-Customer-ID", ""), WithDenialTemplate(tt.t))
			if err == nil {
				_ = g.Close(t.Context())
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestATemplateThatFailsLaterIsAnsweredAsJSON(t *testing.T) {
	for name, text := range map[string]string{
		"an error": `<h1>half a page {{if eq .FeatureID "f"}}{{index .Title 99}}{{end}}`,
		"a panic":  `<h1>half a page {{if eq .FeatureID "f"}}{{panics}}{{end}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			own := template.Must(template.New("").Funcs(template.FuncMap{"panics": func() string { panic("boom") }}).Parse(text))
			g := gateOf(t, &stub{}, WithDenialTemplate(own), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			d := fullTemplates
			d.FeatureID = "f"
			for range 2 {
				w := pageOf(g, "GET", denied(g, d))
				if w.Code != 402 || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Vary") != "Accept" || !strings.HasPrefix(w.Body.String(), "{") {
					t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
				}
			}
			if n := strings.Count(log.String(), "denial template fails"); n != 1 {
				t.Errorf("logged %d times: %s", n, log.String())
			}
		})
	}
}

func TestATemplateCanBeExecutedByMany(t *testing.T) {
	g := gateOf(t, &stub{})
	d := denied(g, fullTemplates)
	done := make(chan int)
	for range 8 {
		go func() { done <- pageOf(g, "GET", d).Code }()
	}
	for range 8 {
		if code := <-done; code != http.StatusPaymentRequired {
			t.Errorf("got %d", code)
		}
	}
}
