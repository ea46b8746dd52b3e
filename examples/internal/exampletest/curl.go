package exampletest

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// words are those of a shell's line, which has no quotes but single ones.
var words = regexp.MustCompile(`'([^']*)'|(\S+)`)

// Curls are the printed commands of curl, as they stand there.
func (p *Process) Curls() []string {
	var curls []string
	for line := range strings.Lines(p.Printed) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			curls = append(curls, line)
		}
	}
	return curls
}

// TryCurls runs the printed commands in their order, wants these statuses, and returns the bodies.
func (p *Process) TryCurls(t *testing.T, want ...int) (answers []string) {
	t.Helper()
	curls := p.Curls()
	if len(curls) != len(want) {
		t.Fatalf("it prints %d commands, want %d: %s", len(curls), len(want), p.Printed)
	}
	for i, curl := range curls {
		status, answer := Curl(t, curl)
		if status != want[i] {
			t.Errorf("%s: got %d, want %d: %s", curl, status, want[i], answer)
		}
		answers = append(answers, answer)
	}
	return answers
}

// Curl does what curl would, and returns the status and the body.
func Curl(t *testing.T, line string) (int, string) {
	t.Helper()
	method, url, body, header, user := http.MethodGet, "", "", http.Header{}, ""
	args := words.FindAllStringSubmatch(line, -1)[1:]
	for i := 0; i < len(args); i++ {
		value := func() string { i++; return args[i][1] + args[i][2] }
		switch arg := args[i][1] + args[i][2]; arg {
		case "-X":
			method = value()
		case "-H":
			name, is, _ := strings.Cut(value(), ": ")
			header.Set(name, is)
		case "-u":
			user = value()
		case "-d":
			if body = value(); method == http.MethodGet {
				method = http.MethodPost
			}
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
		case "-i", "-N", "-iN":
		default:
			if strings.HasPrefix(arg, "-") {
				t.Fatalf("%s: %s is not known here", line, arg)
			}
			url = arg
		}
	}
	return request(t, method, url, body, header, user)
}

// request is the answer's status and body. It comes again if it is asked to.
func request(t *testing.T, method, url, body string, header http.Header, user string) (int, string) {
	t.Helper()
	for {
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header.Clone()
		if host := header.Get("Host"); host != "" {
			r.Host = host
		}
		if name, password, found := strings.Cut(user, ":"); found {
			r.SetBasicAuth(name, password)
		}
		res, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !comeAgain(t, res.StatusCode) {
			return res.StatusCode, string(answer)
		}
	}
}
