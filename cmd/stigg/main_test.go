package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/stiggate/gate/emulator"
)

// binary is the command, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "stigg")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "stigg")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// said is what a run of the command has said.
type said struct {
	code     int
	out, err string
}

// stigg runs the command to its end, with these variables in its environment.
func stigg(t *testing.T, env []string, args ...string) said {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir()}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return said{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// serving is the command while it emulates.
type serving struct {
	*exec.Cmd
	greeting string
	errs     bytes.Buffer
	ended    chan struct{} // closed at the end of its output
}

// serve starts stigg emulate at a free port and reads its greeting, which ends with a line that
// begins with last.
func serve(t *testing.T, last string, args ...string) *serving {
	t.Helper()
	s := &serving{Cmd: exec.CommandContext(t.Context(), binary, append([]string{"emulate", "-addr", "127.0.0.1:0"}, args...)...), ended: make(chan struct{})}
	s.Stderr = &s.errs
	out, err := s.StdoutPipe()
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		s.greeting += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), last) {
			break
		}
	}
	go func() {
		defer close(s.ended)
		for lines.Scan() {
		}
	}()
	return s
}

// stop sends SIGTERM and has the command end well.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	if err := s.Wait(); err != nil || s.errs.Len() > 0 {
		t.Errorf("it ends with %v: %s", err, &s.errs)
	}
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	overview := stigg(t, nil)
	if overview.code != exitOK || overview != stigg(t, nil, "help") {
		t.Errorf("without arguments: %+v", overview)
	}
	for _, c := range commands() {
		t.Run(c.name, func(t *testing.T) {
			help := stigg(t, nil, "help", c.name)
			if !strings.Contains(overview.out, "  "+c.name+" ") {
				t.Errorf("it is not in the list:\n%s", overview.out)
			}
			if help.code != exitOK || help.err != "" || !strings.Contains(help.out, "usage: stigg "+c.name) || !strings.Contains(help.out, "-json") {
				t.Errorf("help: %+v", help)
			}
			if _, examples, _ := strings.Cut(help.out, "examples:\n"); !strings.HasPrefix(examples, "  stigg "+c.name) {
				t.Errorf("there is no example in\n%s", help.out)
			}
			for _, flag := range []string{"-h", "-help", "--help"} {
				if got := stigg(t, nil, c.name, flag); got != help {
					t.Errorf("%s: %+v", flag, got)
				}
			}
			if got := stigg(t, nil, c.name, "-no-such-flag"); got.code != exitUsage || strings.Count(got.err, "\n") != 1 || got.out != "" {
				t.Errorf("an unknown flag: %+v", got)
			}
		})
	}
}

func TestWhatIsNoCommandIsWrongUse(t *testing.T) {
	for _, args := range [][]string{{"emulator"}, {"help", "emulator"}, {""}} {
		if got := stigg(t, nil, args...); got.code != exitUsage || !strings.Contains(got.err, "there is no command") || got.out != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestTheVersionIsPrinted(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"-version"}, {"emulate", "-version"}} {
		if got := stigg(t, nil, args...); got.code != exitOK || !strings.HasPrefix(got.out, "stigg ") || strings.Count(got.out, "\n") != 1 {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// TestAFlagThatIsEmptyIsWrongUse: it is mostly a variable that a script has not set.
func TestAFlagThatIsEmptyIsWrongUse(t *testing.T) {
	_, env := emulated(t)
	for _, args := range [][]string{
		{"outbox", "-retry", "", filled(t)}, {"outbox", "-drop", "", filled(t)}, {"outbox", "-backup", "", filled(t)}, {"outbox", ""},
		{"doctor", "-policies", ""}, {"features", "-out", ""}, {"emulate", "-addr", "none", "-catalog", ""}, {"emulate", "-addr", "none", "-state", ""}, {"emulate", "-addr", "none", "-webhook", ""},
		{"check", "-customer", "", "-feature", "f"}, {"check", "-customer", "c", "-feature", ""}, {"check", "-customer", "c", "-feature", "f", "-n", ""},
	} {
		got := stigg(t, env, args...)
		if got.code != exitUsage || got.out != "" || strings.Count(got.err, "\n") != 1 || strings.Contains(got.err, "strconv") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestOutputThatCantBeWrittenIsNoSuccess(t *testing.T) {
	_, env := emulated(t)
	for _, args := range [][]string{{"version"}, {"help"}, {"help", "check"}, {"doctor"}, {"features"}, {"outbox", filled(t)},
		{"check", "-customer", "customer-demo-01", "-feature", "feature-04-analytics"}} {
		read, write, err := os.Pipe()
		if err != nil || write.Close() != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary, args...)
		var errs bytes.Buffer
		cmd.Env, cmd.Stdout, cmd.Stderr = slices.Concat(env, []string{"HOME=" + t.TempDir()}), read, &errs // which can't be written to
		_ = cmd.Run()
		if cmd.ProcessState.ExitCode() != exitNo || !strings.Contains(errs.String(), "bad file descriptor") {
			t.Errorf("%q: %v, %s", args, cmd.ProcessState, &errs)
		}
		_ = read.Close()
	}
}

func TestWhatStiggSaysMovesNoCursor(t *testing.T) {
	e, err := emulator.Start("127.0.0.1:0", emulator.WithCatalog(strings.NewReader(`{"product":{"id":"product-a","displayName":"A"},
		"features":[{"id":"feature-a","displayName":"\u001b[2Jgone\u009b\r","featureType":"BOOLEAN"}],
		"plans":[{"id":"plan-a","displayName":"A","pricingType":"FREE","entitlements":[{"featureId":"feature-a"}]}],
		"customers":[{"id":"customer-a","createdAt":"2024-01-01T00:00:00Z","subscriptions":[{"planId":"plan-a","startDate":"2024-01-01T00:00:00Z"}]}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	got := stigg(t, []string{"STIGG_URL=" + e.URL(), "STIGG_API_KEY=" + emulator.DefaultKey}, "check", "-customer", "customer-a", "-feature", "feature-a")
	if got.code != exitOK || !strings.Contains(got.out, "?[2Jgone??") || strings.ContainsFunc(got.out, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		t.Errorf("%+v", got)
	}
}
