package browser

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const adminPassword = "a-password-for-tests"

// program is examples/saas as "go run" starts it, with its embedded emulator.
type program struct{ url, console string }

func startProgram(t *testing.T) program {
	t.Helper()
	says := startExample(t, "saas", []string{"-admin", adminPassword}, "The product is at ", "The emulator's console is at ")
	return program{says[0], says[1]}
}

// startExample starts an example, which ends with the test, and returns what it prints behind each of the
// texts.
func startExample(t *testing.T, name string, args []string, texts ...string) []string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = filepath.Join("..", name)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		t.Fatal(err)
	}
	lines, read := bufio.NewScanner(out), make(chan struct{})
	says := make([]string, len(texts))
	for slices.Contains(says, "") && lines.Scan() {
		for i, text := range texts {
			says[i] = firstOf(says[i], after(lines.Text(), text))
		}
	}
	go func() { defer close(read); _, _ = io.Copy(io.Discard, out) }()
	t.Cleanup(func() {
		stop()
		<-read
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("the program did not stop in peace: %v", err)
		}
	})
	if slices.Contains(says, "") {
		t.Fatalf("the program does not say all of %q: %q", texts, says)
	}
	return says
}

func after(line, what string) string {
	_, rest, _ := strings.Cut(line, what)
	return strings.TrimSpace(rest)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
