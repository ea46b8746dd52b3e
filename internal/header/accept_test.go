package header

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAcceptDecidesBetweenPageAndJSON(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		html   bool
	}{
		{"absent", nil, false},
		{"longer than anybody needs", []string{"text/html," + strings.Repeat("image/x,", 600)}, false},
		{"longer than anybody needs, in many lines", slices.Repeat([]string{"text/html"}, 1000), false},
		{"empty", []string{""}, false},
		{"anything", []string{"*/*"}, false},
		{"JSON", []string{"application/json"}, false},
		{"problem+json", []string{"application/problem+json"}, false},
		{"HTML", []string{"text/html"}, true},
		{"HTML in capitals", []string{"Text/HTML;Q=0.9"}, true},
		{"any text", []string{"text/*"}, true},
		{"Firefox, Safari", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, true},
		{"Chrome", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"}, true},
		{"a browser's picture", []string{"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}, false},
		{"axios", []string{"application/json, text/plain, */*"}, false},
		{"HTML and anything, equally", []string{"text/html, */*"}, false},
		{"HTML and JSON, equally", []string{"text/html, application/json"}, false},
		{"HTML before JSON", []string{"application/json;q=0.5, text/html;q=0.6"}, true},
		{"JSON before HTML", []string{"text/html;q=0.5, application/json;q=0.6"}, false},
		{"problem+json before HTML", []string{"text/html;q=0.5, application/json;q=0.1, application/problem+json"}, false},
		{"HTML before both kinds of JSON", []string{"text/html;q=0.5, application/json;q=0.1, application/problem+json;q=0.4"}, true},
		{"the specific range says less than the wide one", []string{"text/*;q=0.9, text/html;q=0.2, application/*;q=0.5"}, false},
		{"the specific range says more than the wide one", []string{"*/*;q=0.1, application/*;q=0.3, text/html;q=0.4"}, true},
		{"no JSON, please", []string{"*/*, application/json;q=0, application/problem+json;q=0"}, true},
		{"no HTML, please", []string{"text/html;q=0"}, false},
		{"neither", []string{"image/png"}, false},
		{"in our charset", []string{"text/html;charset=UTF-8"}, true},
		{"in a charset that we don't send", []string{"text/html;charset=latin1"}, false},
		{"the charset counts as more specific", []string{"text/html;q=0.1, text/html;charset=utf-8, application/json;q=0.5"}, true},
		{"two fields", []string{"application/json;q=0.5", "text/html"}, true},
		{"empty elements", []string{", text/html,,"}, true},
		{"a comma in quotes", []string{`text/plain;x="a,\",b", text/html`}, true},
		{"three decimals", []string{"text/html;q=0.001"}, true},
		{"malformed: no slash", []string{"text/html, html"}, false},
		{"malformed: a wildcard for the kind only", []string{"*/html, text/html"}, false},
		{"malformed: java.net", []string{"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, false},
		{"malformed: a weight above 1", []string{"text/html;q=1.5"}, false},
		{"malformed: four decimals", []string{"text/html;q=0.1234"}, false},
		{"malformed: no number", []string{"text/html;q=NaN"}, false},
		{"malformed: a negative weight", []string{"text/html;q=-1, application/json;q=-2"}, false},
		{"malformed: an open quote", []string{`text/html;x="`}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := PrefersHTML(http.Header{"Accept": tt.accept}); got != tt.html {
				t.Errorf("got HTML %v, want %v", got, tt.html)
			}
		})
	}
}

func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"text/html", `a/b;c="d,\e";q=0.5, */*`, "*;q=.2", ",\\,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if PrefersHTML(http.Header{"Accept": {accept}}) && !strings.Contains(accept, "/") {
			t.Errorf("%q names no media type", accept)
		}
		if PrefersHTML(http.Header{"Accept": {accept, "application/json"}}) {
			t.Errorf("%q beats JSON that weighs 1", accept)
		}
	})
}

func TestVaryNamesAFieldOnce(t *testing.T) {
	tests := []struct {
		name       string
		have, want []string
	}{
		{"nothing there", nil, []string{"Accept"}},
		{"others", []string{"Origin, Accept-Encoding"}, []string{"Origin, Accept-Encoding", "Accept"}},
		{"there already", []string{"Origin", "Cookie, accept"}, []string{"Origin", "Cookie, accept"}},
		{"everything", []string{"*"}, []string{"*"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.have != nil {
				h["Vary"] = tt.have
			}
			if Vary(h, "Accept"); strings.Join(h["Vary"], ";") != strings.Join(tt.want, ";") {
				t.Errorf("got %q, want %q", h["Vary"], tt.want)
			}
		})
	}
}

func TestLanguagesComeInTheirOrder(t *testing.T) {
	for field, want := range map[string][]string{
		"":                              {},
		"de":                            {"de"},
		"en;q=0.5, de-AT, fr;q=0.9":     {"de-AT", "fr", "en"},
		"de;q=0, en;q=x, *, fr;q=0.001": {"fr"},
		"de;v=1, en; q=0.5":             {"en"},
		"<script>, en":                  {"en"},
		strings.Repeat("en,", 2000):     {},
	} {
		if got := Languages(http.Header{"Accept-Language": {field}}); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", field, got, want)
		}
	}
}
