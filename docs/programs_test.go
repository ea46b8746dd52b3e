package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stiggate/gate/emulator"
)

const module = "github.com/stiggate/gate"

// imports are the packages that snippets use, by name.
func imports() map[string]string {
	all := map[string]string{
		"chi": "github.com/go-chi/chi/v5", "gin": "github.com/gin-gonic/gin", "echo": "github.com/labstack/echo/v4",
		"bytes": "bytes", "context": "context", "errors": "errors", "iter": "iter", "json": "encoding/json", "fmt": "fmt", "http": "net/http", "io": "io", "log": "log", "os": "os", "slog": "log/slog",
		"strconv": "strconv", "httptest": "net/http/httptest", "signal": "os/signal", "syscall": "syscall", "strings": "strings", "sync": "sync", "testing": "testing", "time": "time", "gate": module,
	}
	for _, name := range []string{"nethttp", "chistigg", "ginstigg", "echostigg", "client", "outbox", "webhook", "emulator", "gatetest", "conformance", "policyfile"} {
		all[name] = module + "/" + name
	}
	for _, name := range []string{"identity", "recorder", "conformance"} {
		if _, err := os.Stat(filepath.Join("..", name)); err == nil {
			all[name] = module + "/" + name
		}
	}
	return all
}

// checker checks the types of snippets against what the packages export.
type checker struct {
	files token.FileSet
	types types.Importer
	known map[string]string
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{known: imports()}
	args := append([]string{"list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}"}, slices.Collect(maps.Values(c.known))...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	c.types = importer.ForCompiler(&c.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return c
}

// check checks a snippet of declarations, or a whole program. It may leave variables unused.
func (c *checker) check(t *testing.T, where, source string) {
	t.Helper()
	if !strings.HasPrefix(strings.TrimSpace(source), "package ") {
		var head strings.Builder
		for name, path := range c.known {
			if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(source) {
				fmt.Fprintf(&head, "import %s %q\n", name, path)
			}
		}
		source = "package snippet\n" + head.String() + source
	}
	file, err := parser.ParseFile(&c.files, where, source, 0)
	if err != nil {
		t.Error(err)
		return
	}
	conf := types.Config{Importer: c.types, Error: func(err error) {
		if e, ok := err.(types.Error); !ok || !e.Soft { //nolint:errorlint // it is given as it is
			t.Errorf("%v\n%s", err, source)
		}
	}}
	_, _ = conf.Check(where, &c.files, []*ast.File{file}, nil) // its error is the first of those
}

func TestSnippetsCompile(t *testing.T) {
	c := newChecker(t)
	for path, page := range pages(t) {
		for i, block := range goBlocks(page) {
			c.check(t, fmt.Sprintf("%s, block %d", path, i+1), block)
		}
	}
}

// TestTheLinesOfTheRoutersCompile checks the README's table of routers.
func TestTheLinesOfTheRoutersCompile(t *testing.T) {
	c := newChecker(t)
	routers := map[string]string{
		"net/http": "mux *http.ServeMux, handler http.Handler",
		"chi":      "r chi.Router, handler http.HandlerFunc",
		"gin":      "r *gin.Engine, handler gin.HandlerFunc",
		"echo":     "e *echo.Echo, handler echo.HandlerFunc",
	}
	rows := regexp.MustCompile("(?m)^\\| (\\S+) \\| `(.+)` \\| \\[examples/").FindAllStringSubmatch(pages(t)["README.md"], -1)
	if len(rows) != len(routers) {
		t.Fatalf("%d routers, want %d", len(rows), len(routers))
	}
	for _, row := range rows {
		c.check(t, row[1], "func routes(g *gate.Gate, campaigns gate.Policy, "+routers[row[1]]+") { "+row[2]+" }\n")
	}
}

// readmeProgram is the README's program as a newcomer would build it, but for its port,
// running in front of a Stigg.
type readmeProgram struct {
	*exec.Cmd
	url string
	log bytes.Buffer
}

func startREADME(t *testing.T, stigg *emulator.Server) *readmeProgram {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody else takes the port while the program is built
	addr := l.Addr().String()
	source := goBlocks(pages(t)["README.md"])[0]
	if !strings.Contains(source, `"127.0.0.1:8080"`) {
		t.Fatal("the README's program does not listen at 127.0.0.1:8080")
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	if err := os.WriteFile(main, []byte(strings.Replace(source, "127.0.0.1:8080", addr, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, main).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_ = l.Close()
	p := &readmeProgram{Cmd: exec.CommandContext(t.Context(), binary), url: "http://" + addr}
	p.Env = append(os.Environ(), "STIGG_URL="+stigg.URL(), "STIGG_API_KEY="+emulator.DefaultKey)
	p.Stderr = &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("it does not serve:\n%s", &p.log)
		}
		time.Sleep(10 * time.Millisecond) // it is another process: nothing else tells
	}
}

// post sends the README's request and returns the first line of the answer, as curl -i shows it,
// and the body. It comes again if it is asked to: on a busy machine the first read of a customer
// takes its time, and so does an acknowledgement.
func (p *readmeProgram) post(t *testing.T, customer string) (line, body string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		line, body = p.postOnce(t, customer)
		comeAgain := strings.HasPrefix(line, "HTTP/1.1 429") || strings.HasPrefix(line, "HTTP/1.1 503")
		if !comeAgain || time.Now().After(end) {
			return line, body
		}
	}
}

func (p *readmeProgram) postOnce(t *testing.T, customer string) (line, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/campaigns", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Customer-ID", customer)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.Proto + " " + res.Status, string(b)
}

// stop sends SIGTERM and waits for the end.
func (p *readmeProgram) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ends with %v:\n%s", err, &p.log)
	}
}

// TestTheREADMEsProgram: it answers as printed, four times 201 and then the 402 that is shown;
// and it is stopped at once after many successes, and loses none.
func TestTheREADMEsProgram(t *testing.T) {
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stigg.Close() }()
	p := startREADME(t, stigg)
	readme := pages(t)["README.md"]
	created, denied := "HTTP/1.1 201 Created", "HTTP/1.1 402 Payment Required"
	for i, want := range []string{created, created, created, created, denied} {
		line, body := p.post(t, "customer-basic")
		if line != want || !strings.Contains(readme, "`"+want+"`") {
			t.Errorf("answer %d is %q, want %q, and the README must say so", i+1, line, want)
		}
		if want == denied {
			shown := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(readme)
			if shown == nil || !sameButMarked(t, shown[1], body) {
				t.Errorf("the answer is\n%s\nand the README shows\n%s", body, shown)
			}
		}
	}
	const each = 25
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range each {
				if line, _ := p.post(t, "customer-pro"); line != created {
					t.Errorf("got %q", line)
				}
			}
		})
	}
	wait.Wait()
	p.stop(t)
	if got := len(stigg.Usage()); got != 4+4*each {
		t.Errorf("Stigg has %d of %d measurements", got, 4+4*each)
	}
}

// sameButMarked compares two objects of JSON. What ends in … is the same if it begins the same.
func sameButMarked(t *testing.T, shown, got string) bool {
	t.Helper()
	var a, b map[string]any
	for text, to := range map[string]*map[string]any{shown: &a, got: &b} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Errorf("%v in %s", err, text)
		}
	}
	for name, value := range a {
		if s, ok := value.(string); ok && strings.HasSuffix(s, "…") {
			if full, ok := b[name].(string); ok && strings.HasPrefix(full, strings.TrimSuffix(s, "…")) {
				a[name] = full
			}
		}
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// TestTheQueryOfTroubleshootingWorks sends what the page has people send by curl.
func TestTheQueryOfTroubleshootingWorks(t *testing.T) {
	stigg, err := emulator.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stigg.Close() }()
	query := regexp.MustCompile(`-d '(\{"query".*\})'`).FindStringSubmatch(pages(t)["docs/troubleshooting.md"])
	if query == nil {
		t.Fatal("there is no query")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, stigg.URL()+"/graphql", strings.NewReader(strings.Replace(query[1], "CUSTOMER", "customer-basic", 1)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-KEY", emulator.DefaultKey)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || bytes.Contains(b, []byte(`"errors"`)) || !bytes.Contains(b, []byte(`"refId":"feature-02-campaigns"`)) {
		t.Errorf("got %s, %v", b, err)
	}
}

// TestTheEmulatorIsWhereThePagesSay holds the address and the key that pages print.
func TestTheEmulatorIsWhereThePagesSay(t *testing.T) {
	help := string(stigg(t, "help", "emulate"))
	for _, path := range []string{"README.md", "docs/start.md"} {
		page := pages(t)[path]
		if !strings.Contains(page, "STIGG_API_KEY="+emulator.DefaultKey) || !strings.Contains(page, "STIGG_URL=http://127.0.0.1:4100") {
			t.Errorf("%s: another key or address", path)
		}
	}
	if !strings.Contains(help, `"127.0.0.1:4100"`) {
		t.Error("the emulator's default address is no longer 127.0.0.1:4100")
	}
}
