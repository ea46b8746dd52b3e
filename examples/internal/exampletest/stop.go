package exampletest

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const runTheExample = "RUN_THE_EXAMPLE"

// Main is for the program's TestMain, which exits with what it returns: it runs the tests,
// or main in the process that [Program.StopsInOrder] starts.
func Main(m *testing.M, main func()) int {
	if os.Getenv(runTheExample) == "" {
		return m.Run()
	}
	os.Args = []string{os.Args[0], "-addr", "127.0.0.1:0"}
	main()
	return 0
}

// StopsInOrder holds the order in which SIGTERM ends the program: no new connections, then
// running requests to their end, then their usage delivered.
func (p Program) StopsInOrder(t *testing.T) {
	stigg := StartStigg(t)
	inFrontOf(t, stigg)
	bearer := token("customer-pro", time.Now().Add(time.Hour))
	program := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // the test itself, see Main
	program.Env = append(os.Environ(), runTheExample+"=1")
	program.Stderr = os.Stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	url := apiURL(t, bufio.NewReader(out))
	addr := strings.TrimPrefix(url, "http://")
	finish, status := slowly(t, url+p.path("customer-pro", "/campaigns"), bearer)

	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; { // while a request runs: the gate waits for it, too
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("new connections are taken: the server must stop before the gate")
		}
	}
	finish()
	if got := <-status; got != 201 {
		t.Errorf("the request that was running: got %d, want 201", got)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if n := len(stigg.Usage()); n != 1 {
		t.Errorf("Stigg has %d measurements, want 1", n)
	}
}
