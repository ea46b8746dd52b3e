package browser

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
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
	binary := filepath.Join(t.TempDir(), "saas")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "-addr", "127.0.0.1:0", "-admin", adminPassword)
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
	var p program
	for (p.url == "" || p.console == "") && lines.Scan() {
		p.url = firstOf(p.url, after(lines.Text(), "The product is at "))
		p.console = firstOf(p.console, after(lines.Text(), "The emulator's console is at "))
	}
	go func() { defer close(read); _, _ = io.Copy(io.Discard, out) }()
	t.Cleanup(func() {
		stop()
		<-read
		if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("the program did not stop in peace: %v", err)
		}
	})
	if p.url == "" || p.console == "" {
		t.Fatalf("the program does not say where it is: %+v", p)
	}
	return p
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
