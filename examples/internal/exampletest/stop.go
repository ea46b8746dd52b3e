package exampletest

import (
	"net"
	"strings"
	"testing"
	"time"
)

// StopsInOrder holds the order in which SIGTERM ends the program: no new connections, then
// running requests to their end, then their usage delivered.
func (p Program) StopsInOrder(t *testing.T) {
	stigg := StartStigg(t)
	bearer := token("customer-pro", time.Now().Add(time.Hour))
	program := Start(t, stigg)
	addr := strings.TrimPrefix(program.URL, "http://")
	if got := send(t, "GET", program.URL+p.path("customer-pro", "/analytics"), bearer, ""); got != 200 {
		t.Fatalf("analytics: got %d, want 200", got)
	}
	finish, status := slowly(t, program.URL+p.path("customer-pro", "/campaigns"), bearer) // what is cached decides

	program.Terminate(t)
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
	program.Ends(t)
	if n := len(stigg.Usage()); n != 1 {
		t.Errorf("Stigg has %d measurements, want 1", n)
	}
}
