package exampletest

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stiggate/gate/emulator"
)

const runTheExample = "RUN_THE_EXAMPLE"

// Main is for the program's TestMain, which exits with what it returns: it runs the tests, or main,
// with these arguments beside, in the process that [Start] starts.
func Main(m *testing.M, main func(), args ...string) int {
	if os.Getenv(runTheExample) == "" {
		return m.Run()
	}
	os.Args = append([]string{os.Args[0], "-addr", "127.0.0.1:0"}, args...)
	main()
	return 0
}

// Process is an example that runs in a process of its own.
type Process struct {
	URL     string // of its API
	Printed string // up to "Ctrl-C stops."

	command *exec.Cmd
}

// Start starts the example, as [Main] says, in front of this Stigg, or of its own if it is nil. With
// "Ctrl-C stops." it has printed what it prints.
func Start(t *testing.T, stigg *emulator.Server) *Process {
	t.Helper()
	p := &Process{command: exec.CommandContext(t.Context(), os.Args[0])} //nolint:gosec // the test itself, see Main
	p.command.Env = append(os.Environ(), runTheExample+"=1", "STIGG_URL=", "STIGG_API_KEY=")
	if stigg != nil {
		p.command.Env = append(p.command.Env, "STIGG_URL="+stigg.URL(), "STIGG_API_KEY="+emulator.DefaultKey, "JWT_SECRET="+Secret)
	}
	p.command.Stderr = os.Stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.Printed += lines.Text() + "\n"
		if url, found := strings.CutPrefix(lines.Text(), "The API is at "); found {
			p.URL = url
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C stops") {
			return p
		}
	}
	t.Fatalf("it ends, and has printed %q", p.Printed)
	return nil
}

// Terminate sends SIGTERM.
func (p *Process) Terminate(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// Stop terminates the process, and waits for it to end without an error.
func (p *Process) Stop(t *testing.T) {
	t.Helper()
	p.Terminate(t)
	p.Ends(t)
}

// Ends waits for the process to end without an error.
func (p *Process) Ends(t *testing.T) {
	t.Helper()
	if err := p.command.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}
