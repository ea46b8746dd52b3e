package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/contrib/redisgate"
)

// errNoRedis says how to get one. There is no other store here: one in memory reaches no other process.
var errNoRedis = errors.New(`neither redis-server nor valkey-server is on the PATH, and replicas that share nothing have no limit in common.
Install one of them:
  Debian, Ubuntu   apt-get install redis-server
  Fedora           dnf install valkey
  macOS            brew install redis`)

// redis is a redis-server on a free port of 127.0.0.1, with a directory of its own.
type redis struct {
	program, dir string
	port         int

	mu     sync.Mutex
	server *child
}

func findRedis() (program string, err error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if program, err = exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", errNoRedis
}

func newRedis(program, dir string) (*redis, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return &redis{program: program, dir: dir, port: port}, l.Close()
}

func (r *redis) addr() string { return "127.0.0.1:" + strconv.Itoa(r.port) }

// start starts the server with the file that an earlier one has left, and waits until it answers. It
// writes each change to its file before it answers, and syncs it each second: a process that is killed
// loses nothing.
func (r *redis) start(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server.runs() {
		return errors.New("redis runs already")
	}
	var said []byte
	note := func(line []byte) { said = append(append(said, line...), '\n') }
	server, err := startChild(exec.CommandContext(context.WithoutCancel(ctx), r.program, //nolint:gosec // found on the PATH
		"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port), "--dir", r.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"), note, note)
	if err != nil {
		return err
	}
	r.server = server
	for {
		if shared, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.addr()}}); err == nil {
			err = shared.Do(ctx, shared.B().Ping().Build()).Error()
			shared.Close()
			if err == nil { // else it still loads its file
				return nil
			}
		}
		select {
		case <-server.ended:
			return fmt.Errorf("%s ended (%w):\n%s", r.program, server.err, said)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// provision says that the server is new, so that the first requests need not wait.
func (r *redis) provision(ctx context.Context) error {
	shared, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.addr()}})
	if err != nil {
		return err
	}
	defer shared.Close()
	return redisgate.Provision(ctx, shared, redisgate.Reclaim(reclaim))
}

// kill ends the server as kill -9 does.
func (r *redis) kill() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.server.runs() {
		return errors.New("redis does not run")
	}
	r.server.kill()
	return nil
}

// forget removes the file of a server that does not run.
func (r *redis) forget() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server.runs() {
		return errors.New("redis runs")
	}
	err := os.RemoveAll(filepath.Join(r.dir, "appendonlydir"))
	return errors.Join(err, os.RemoveAll(filepath.Join(r.dir, "appendonly.aof"))) // of a Redis before 7
}

func (r *redis) runs() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server.runs()
}
