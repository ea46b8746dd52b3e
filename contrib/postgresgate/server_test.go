package postgresgate_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stiggate/gate/contrib/postgresgate"
)

// server is a Postgres of the test's own, on 127.0.0.1, with a port and a directory.
type server struct {
	t      testing.TB
	dir    string
	port   int
	cmd    *exec.Cmd
	output bytes.Buffer
}

// binary is a program of Debian's package, of the newest version, or whatever is in the PATH.
func binary(t testing.TB, name string) string {
	t.Helper()
	files, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(files) > 0 {
		slices.Sort(files)
		return files[len(files)-1]
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: these tests need PostgreSQL, which make postgres installs", err)
	}
	return path
}

// freePort is one that nobody listens on now, below those that the system gives to who wants any: nobody
// takes it while the server is down.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 22_000 + rand.IntN(10_000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// newServer makes a cluster and starts it. It ends with the test.
func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{t: t, port: freePort(t)}
	var err error
	if s.dir, err = os.MkdirTemp("", "postgresgate"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	own(t, s.dir)
	init := exec.Command(binary(t, "initdb"), "-D", filepath.Join(s.dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale")
	asOwner(init)
	init.Dir = s.dir
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// start starts the process, and waits until it answers.
func (s *server) start(more ...string) {
	s.t.Helper()
	args := []string{
		"-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=on", "-c", "max_connections=100", "-c", "shared_buffers=16MB",
	}
	for _, m := range more {
		args = append(args, "-c", m)
	}
	s.cmd = exec.Command(binary(s.t, "postgres"), args...)
	asOwner(s.cmd)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 1000 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		pool, err := pgxpool.New(ctx, s.url("postgres"))
		if err == nil {
			err = pool.Ping(ctx)
			pool.Close()
		}
		cancel()
		if err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("Postgres does not answer on port %d:\n%s", s.port, s.output.String())
}

// kill ends the server and all its processes at once, as a power cut would: SIGQUIT is its immediate
// shutdown, and the next start recovers from the log.
func (s *server) kill() {
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return
	}
	quit(s.cmd)
	_ = s.cmd.Wait()
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable&connect_timeout=30", s.port, database)
}

// database is a new one, with a pool that closes with the test.
func (s *server) database(name string) *pgxpool.Pool {
	s.t.Helper()
	exec1(s.t, s.pool("postgres"), "CREATE DATABASE "+name)
	return s.pool(name)
}

// migrated is a schema with the tables: that is made faster than a database.
func (s *server) migrated(name string) *pgxpool.Pool {
	s.t.Helper()
	exec1(s.t, s.pool("postgres"), "CREATE SCHEMA "+name)
	pool := s.pool("postgres", "search_path="+name)
	if err := postgresgate.Migrate(s.t.Context(), pool); err != nil {
		s.t.Fatal(err)
	}
	return pool
}

func (s *server) pool(name string, settings ...string) *pgxpool.Pool {
	s.t.Helper()
	pool, err := pgxpool.New(context.Background(), s.url(name)+"&"+strings.Join(settings, "&"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(pool.Close)
	return pool
}

func exec1(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", strings.SplitN(sql, "\n", 2)[0], err)
	}
}

// count is what a query counts.
func count(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}
