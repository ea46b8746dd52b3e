package exampletest

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/examples/internal/demo"
)

// Program is an example whose customers come with tokens. Its methods are its tests.
type Program struct {
	Run    func(ctx context.Context, addr string, out io.Writer) error
	Prefix string // of the paths, with {customer} for whose they are
}

// Secret signs the tokens, in $JWT_SECRET of the process.
const Secret = "a secret for tests, of 32 bytes or more"

// inFrontOf makes the program use an emulated Stigg of the test's.
func inFrontOf(t *testing.T, stigg *emulator.Server) {
	t.Helper()
	t.Setenv("STIGG_URL", stigg.URL())
	t.Setenv("STIGG_API_KEY", emulator.DefaultKey)
	t.Setenv("JWT_SECRET", Secret)
}

// token is a customer's, signed as the program does.
func token(customer string, expires time.Time) string {
	return demo.Token([]byte(Secret), customer, expires)
}

func (p Program) path(customer, route string) string {
	return strings.ReplaceAll(p.Prefix, "{customer}", customer) + route
}

// start runs the program until stop is called, and returns what it has printed.
func (p Program) start(t *testing.T) (printed, url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := p.Run(ctx, "127.0.0.1:0", in)
		_ = in.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewReader(out)
	url = apiURL(t, lines)
	for os.Getenv("STIGG_URL") == "" && !strings.Contains(printed, "Ctrl-C stops") {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		printed += line
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	return printed, url, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func apiURL(t *testing.T, lines *bufio.Reader) string {
	t.Helper()
	line, err := lines.ReadString('\n')
	url, found := strings.CutPrefix(strings.TrimSpace(line), "The API is at ")
	if err != nil || !found {
		t.Fatalf("got %q, %v", line, err)
	}
	return url
}

// send sends JSON, with a token if there is one.
func send(t *testing.T, method, url, token, body string) int {
	t.Helper()
	headers := map[string]string{"Content-Type": "application/json"}
	if token != "" {
		headers["Authorization"] = "Bearer " + token
	}
	return status(t, method, url, body, headers)
}

// slowly sends a request and returns when its handler runs; its body ends with finish.
func slowly(t *testing.T, url, token string) (finish func(), status <-chan int) {
	t.Helper()
	body, write := io.Pipe()
	running, answered := make(chan struct{}), make(chan int, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(running) }})
	r, err := http.NewRequestWithContext(ctx, "POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		res, err := (&http.Transport{ExpectContinueTimeout: time.Minute}).RoundTrip(r)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	select {
	case <-running:
	case got := <-answered:
		t.Fatalf("got %d before the body was read", got)
	}
	return func() {
		_, _ = io.WriteString(write, `{"name":"spring"}`)
		_ = write.Close()
	}, answered
}
