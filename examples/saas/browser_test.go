package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/emulator"
)

const adminPassword = "a password for tests"

// product is the program, in front of an emulator that the test can look into.
type product struct {
	url   string
	stigg *emulator.Server
}

// start runs the program as main does, until the test ends.
func start(t *testing.T) *product {
	t.Helper()
	stigg, err := emulator.Start("127.0.0.1:0", emulator.WithoutDemo())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stigg.Close() })
	ctx, stop := context.WithCancel(context.Background())
	printed, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-stigg", stigg.URL(), "-key", emulator.DefaultKey, "-admin", adminPassword}, out, t.Output())
		_ = out.CloseWithError(err)
		ended <- err
	}()
	line, err := bufio.NewReader(printed).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, printed) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	_, at, _ := strings.Cut(strings.TrimSpace(line), "The product is at ")
	return &product{at, stigg}
}

// customer is the one that has signed up.
func (p *product) customer(t *testing.T) string {
	t.Helper()
	all := p.stigg.Customers()
	if len(all) != 1 {
		t.Fatalf("there are %d customers, want the one", len(all))
	}
	return all[0]
}

// browser keeps cookies, says what browsers say, and follows no redirects.
type browser struct {
	t              *testing.T
	http           *http.Client
	url            string
	password, site string
}

func (p *product) browser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, url: p.url, site: "same-origin", http: &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what a browser shows.
type answer struct {
	t              *testing.T
	what           string
	status         int
	location, text string
}

func (b *browser) send(ctx context.Context, method, to string, form url.Values) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	r.Header.Set("Sec-Fetch-Site", b.site)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.password != "" {
		r.SetBasicAuth("admin", b.password)
	}
	answer, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// do comes again after a 429 or a 503, which are no last word: on a busy machine an acknowledgement
// takes its time, and so does the first read of a customer.
func (b *browser) do(method, to string, fields []string) answer {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		a := b.once(method, to, fields)
		comeAgain := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
		if !comeAgain || time.Now().After(deadline) {
			return a
		}
		<-time.After(100 * time.Millisecond)
	}
}

func (b *browser) once(method, to string, fields []string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := b.send(b.t.Context(), method, to, form)
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{b.t, method + " " + to, r.StatusCode, strings.TrimPrefix(r.Header.Get("Location"), b.url), string(text)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, b.url+path, nil)
}

// post sends a form of names and values.
func (b *browser) post(path string, fields ...string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, b.url+path, fields)
}

// at sends a form to another site.
func (b *browser) at(to string, fields ...string) answer {
	b.t.Helper()
	return b.do(http.MethodPost, to, fields)
}

func (a answer) has(status int, texts ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d:\n%s", a.what, a.status, status, a.text)
	}
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			a.t.Fatalf("%s: there is no %q in\n%s", a.what, text, a.text)
		}
	}
	return a
}

func (a answer) lacks(texts ...string) {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.text, text) {
			a.t.Errorf("%s: there is %q in\n%s", a.what, text, a.text)
		}
	}
}

func (a answer) leadsTo(path string) {
	a.t.Helper()
	if a.status != http.StatusSeeOther || a.location != path {
		a.t.Fatalf("%s: %d leads to %q, want %q:\n%s", a.what, a.status, a.location, path, a.text)
	}
}

// live is an open page that hears of changes.
type live struct {
	b      *browser
	events *bufio.Scanner
}

func (b *browser) listen(t *testing.T) live {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second) // a page that hears nothing fails
	t.Cleanup(stop)
	r := b.send(ctx, http.MethodGet, b.url+"/app/events", nil)
	t.Cleanup(func() { _ = r.Body.Close() })
	return live{b, bufio.NewScanner(r.Body)}
}

// until loads a page anew at each event, until it has the texts.
func (l live) until(path string, texts ...string) {
	l.b.t.Helper()
	page := ""
	for l.events.Scan() {
		if l.events.Text() == "" {
			continue
		}
		missing := 0
		page = l.b.get(path).has(http.StatusOK).text
		for _, text := range texts {
			if !strings.Contains(page, text) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	l.b.t.Fatalf("no event came after which %s has %q: %v\n%s", path, texts, l.events.Err(), page)
}
