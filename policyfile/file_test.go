package policyfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/internal/stubstigg"
	"github.com/stiggate/gate/nethttp"
)

const (
	closed = "routes:\n  GET /a: {feature: off}\n"
	open   = "routes:\n  GET /a: public\n"
	wrong  = "routes:\n  GET /a: public\n  GET /b: {feature: f, use: 1}\n"
)

// served is a router behind a policy file.
type served struct {
	path string
	file *File
	log  *text
	h    http.Handler
}

// text is a log that is read while it is written.
type text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *text) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func serve(t *testing.T, path string) *served {
	t.Helper()
	s := &served{path: path, log: new(text)}
	var err error
	if s.file, err = Open(path, WithLogger(slog.New(slog.NewTextHandler(s.log, nil)))); err != nil {
		t.Fatal(err)
	}
	g, _ := stubstigg.NewGate(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a", func(http.ResponseWriter, *http.Request) {})
	s.h = nethttp.Routes(g, mux, s.file, gate.DenyRest)
	return s
}

func (s *served) status() int { return stubstigg.Send(s.h, "GET", "/a").Code }

func (s *served) lines() int { return strings.Count(s.log.String(), "\n") }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAReloadedFileIsInForceOrRefusedWithTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policies.yaml")
	write(t, path, closed)
	s := serve(t, path)
	for _, tt := range []struct {
		name, text, err string
		status          int
		logged          string // of one line; empty: of none
	}{
		{"no change", closed, "", 402, ""},
		{"a change", open, "", 200, `level=INFO msg="policyfile: the file's policies are in force"`},
		{"one that is wrong", wrong, path + `:3:24: route "GET /b": "use" is no word of a policy`, 200, `level=ERROR msg="policyfile: the file is refused; the policies before stay in force"`},
		{"the same again", wrong, path + `:3:24: route "GET /b": "use" is no word of a policy`, 200, ""},
		{"one that is empty", "", path + ":1:1: the file is empty", 200, "level=ERROR"},
		{"the one before", open, "", 200, "level=INFO"},
		{"the first", closed, "", 402, "level=INFO"},
		{"no file", "-", "no such file", 402, `level=WARN msg="policyfile: the file can't be read; the policies before stay in force"`},
		{"still no file", "-", "no such file", 402, ""},
		{"the file again", closed, "", 402, `level=INFO msg="policyfile: the file can be read again"`},
	} {
		if tt.text == "-" {
			_ = os.Remove(path) // it may be gone
		} else {
			write(t, path, tt.text)
		}
		before := len(s.log.String())
		err := s.file.Reload()
		if got := fmt.Sprint(err); tt.err == "" && err != nil || !strings.Contains(got, tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if got := s.status(); got != tt.status {
			t.Errorf("%s: answered %d, want %d", tt.name, got, tt.status)
		}
		said := s.log.String()[before:]
		if n := strings.Count(said, "\n"); tt.logged == "" && n > 0 || tt.logged != "" && (n != 1 || !strings.Contains(said, tt.logged)) {
			t.Errorf("%s: logged %q, want %q", tt.name, said, tt.logged)
		}
	}
}

// TestAFileIsCheckedAgainstEveryGate: this one has nobody to report to.
func TestAFileIsCheckedAgainstEveryGate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policies.yaml")
	write(t, path, open)
	s := serve(t, path)
	_, stigg := stubstigg.NewGate(t)
	g, err := gate.New(struct{ gate.Source }{stigg}, gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return gate.Customer{}, gate.ErrNoCustomer }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close(t.Context()) }()
	g.MustRouteGuards(s.file, gate.DenyRest)
	write(t, path, "routes:\n  GET /a: {feature: off}\n  POST /b: {feature: f, uses: 1}\n")
	err = s.file.Reload()
	var e *Error
	if !errors.As(err, &e) || e.Line != 3 || e.Column != 3 || e.Route != "POST /b" || !errors.Is(err, gate.ErrNoReporter) || s.status() != 200 {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatForgetsARouteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policies.yaml")
	write(t, path, closed)
	s := serve(t, path)
	verify := func(table gate.Table) error { return table.VerifyListed([]string{"GET /a"}) }
	if err := s.file.Check(verify); err != nil {
		t.Fatal(err)
	}
	write(t, path, "routes:\n  GET /b: public\n")
	err := s.file.Reload()
	var forgotten *gate.ForgottenRouteError
	var unknown *gate.PolicyError
	if !errors.As(err, &forgotten) || !errors.As(err, &unknown) || !strings.Contains(err.Error(), path+`:2:3: route "GET /b": the router has no such route`) || s.status() != 402 {
		t.Errorf("got %v", err)
	}
	other := func(table gate.Table) error { return table.VerifyListed([]string{"GET /a", "GET /more"}) }
	if err := s.file.Check(other); !errors.As(err, &forgotten) || forgotten.Route != "GET /more" {
		t.Errorf("of what is in force: %v", err)
	}
}

// TestAWatchedFileIsReloaded as it is written, and as Kubernetes changes a ConfigMap: by a
// symbolic link.
func TestAWatchedFileIsReloaded(t *testing.T) {
	dir := t.TempDir()
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, "tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"..1": closed, "..2": open, "..3": wrong} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "policies.yaml"), text)
	}
	link("..data", "..1")
	link("policies.yaml", "..data/policies.yaml")
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, filepath.Join(dir, "policies.yaml"))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.file.Watch(ctx, time.Second)
		after := func(name string, status, lines int) {
			t.Helper()
			time.Sleep(5*time.Second + time.Second/2)
			synctest.Wait()
			if got := s.status(); got != status || s.lines() != lines {
				t.Errorf("%s: answered %d, want %d; %d lines, want %d: %s", name, got, status, s.lines(), lines, s.log)
			}
		}
		after("no change", 402, 0)
		link("..data", "..2")
		after("another directory", 200, 1)
		link("..data", "..3")
		after("one that is wrong, told once", 200, 2)
		link("..data", "..1")
		after("the first", 402, 3)
		link("..data", "..4")
		after("none at all, told once", 402, 4)
		link("..data", "..2")
		after("one again", 200, 6)
		link("..data", "..1")
		time.Sleep(time.Second)
		synctest.Wait()
		if s.status() != 200 {
			t.Error("what was seen once is in force: it may be half written")
		}
		stop()
		after("nobody watches", 200, 6)
	})
}

// TestAFileThatIsBeingWrittenIsLeftAlone: the half of it is a table, too.
func TestAFileThatIsBeingWrittenIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policies.yaml")
	write(t, path, closed)
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, path)
		go s.file.Watch(t.Context(), time.Second)
		time.Sleep(time.Second / 2)
		for i := range 20 { // a write of every poll
			write(t, path, open+strings.Repeat("#", i))
			time.Sleep(time.Second)
			synctest.Wait()
			if s.status() != 402 {
				t.Fatal("half a file is in force")
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.status() != 200 {
			t.Error("the whole file is not in force")
		}
	})
}
