package redisgate_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// server is a redis-server of the test's own, on 127.0.0.1, with a port and a directory.
type server struct {
	t    testing.TB
	dir  string
	port int
	args []string

	mu     sync.Mutex
	cmd    *exec.Cmd
	output bytes.Buffer
}

// newServer starts one, which ends with the test.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// freePort is one that nobody listens on now, and that leaves room for a cluster's bus 10,000 above. Both
// are below those that the system gives to who wants any: nobody takes them while the server is down.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(12_000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (s *server) addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// start starts the process, and waits until it listens.
func (s *server) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	file := filepath.Join(s.dir, "redis.conf") // Sentinel writes to its file
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	args := append([]string{file, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--port", strconv.Itoa(s.port)}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	endWithTest(s.cmd)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("%v: these tests need redis-server, which make redis installs", err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); { // a busy machine takes its time; it listens in 20 ms
		c, err := net.Dial("tcp", s.addr())
		if err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("redis-server does not listen on %s:\n%s", s.addr(), s.output.String())
}

// kill ends the process at once.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// removeFiles removes what the server has kept.
func (s *server) removeFiles() {
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"))
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			s.t.Error(err)
		}
	}
}

// client is one of the server's, which closes with the test.
func (s *server) client() rueidis.Client {
	s.t.Helper()
	return newClient(s.t, rueidis.ClientOption{InitAddress: []string{s.addr()}})
}

func newClient(t testing.TB, o rueidis.ClientOption) rueidis.Client {
	t.Helper()
	o.DisableCache = true
	o.DisableRetry = true
	var err error
	for range 100 { // it may still load its file
		var c rueidis.Client
		if c, err = rueidis.NewClient(o); err == nil {
			t.Cleanup(c.Close)
			return c
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

// cli runs redis-cli against the server.
func (s *server) cli(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "redis-cli", append([]string{"-h", "127.0.0.1", "-p", strconv.Itoa(s.port)}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func do(t testing.TB, c rueidis.Client, words ...string) string {
	t.Helper()
	result := c.Do(t.Context(), c.B().Arbitrary(words...).Build())
	text, err := result.ToString()
	if err != nil && !rueidis.IsParseErr(err) && !rueidis.IsRedisNil(err) {
		t.Fatalf("%v: %v", words, err)
	}
	return fmt.Sprint(text)
}
