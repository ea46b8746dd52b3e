package drill

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stiggate/gate/outbox"
)

var (
	kills = flag.Int("kills", 50, "how often the server is killed")
	seed  = flag.Uint64("seed", 0, "chooses requests, faults and moments; 0 takes one by itself")
)

// TestKillsLoseNothingAndCountNothingTwice is the promise of the whole: whatever was
// answered with success is counted by Stigg once; what was cut off by a kill once or not
// at all; all else not at all; and nobody gets past a limit.
func TestKillsLoseNothingAndCountNothingTwice(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-kills %d -seed %d", *kills, *seed)
	r := rand.New(rand.NewPCG(*seed, 1))
	s := startStigg(t)
	server := &server{T: t, stigg: s.url, dir: filepath.Join(t.TempDir(), "outbox"), addr: freeAddr(t)}
	server.start()

	l := newLoad("http://" + server.addr)
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() { l.run(ctx, rand.New(rand.NewPCG(*seed, uint64(i)+2))) })
	}
	for i := range *kills {
		if r.IntN(3) == 0 {
			s.mends()
		} else {
			s.breaks(fault(r))
		}
		time.Sleep(time.Duration(r.Int64N(int64(250 * time.Millisecond))))
		server.kill()
		server.start()
		if (i+1)%10 == 0 {
			t.Logf("%d kills", i+1)
		}
	}
	s.mends()
	stop()
	wait.Wait()
	server.end()
	compare(t, s, l)
	if report, err := outbox.Inspect(server.dir); err != nil || report.Pending != 0 || len(report.SetAside) != 0 {
		t.Errorf("left in the outbox: %+v, %v", report, err)
	}
}

// fault is one way in which Stigg breaks. All but the first leave checks alone most of the
// time, so that there is usage to lose.
func fault(r *rand.Rand) map[string]any {
	operations := []string{"reportUsageBulk", "reportUsageBulk", "reportEvent", "consumeCredits", "consumeCreditsAsync"}
	f := map[string]any{"operation": operations[r.IntN(len(operations))], "count": 1 + r.IntN(6)}
	if r.IntN(8) == 0 {
		delete(f, "operation")
	}
	switch r.IntN(9) {
	case 0:
		f["status"] = 503
	case 1:
		f["status"], f["after"] = 500, true
	case 2:
		f["status"], f["retryAfter"] = 429, 1
	case 3:
		f["drop"] = "before"
	case 4, 5:
		f["drop"] = "after"
	case 6:
		f["garbage"], f["after"] = true, true
	case 7:
		f["truncate"], f["after"] = true, true
	case 8:
		f["latency"], f["after"] = "300ms", r.IntN(2) == 0
	}
	return f
}

// compare holds Stigg's count against the books of the load.
func compare(t *testing.T, s stigg, l *load) {
	t.Helper()
	counted, again := s.counted()
	accounts := map[account]bool{}
	for _, sums := range []map[account]float64{counted, l.promised, l.unknown} {
		for a := range sums {
			accounts[a] = true
		}
	}
	total, unknown := 0.0, 0.0
	for a := range accounts {
		n, least, most := counted[a], l.promised[a], l.promised[a]+l.unknown[a]
		if n < least || n > most {
			t.Errorf("%v: Stigg counts %v; %v were answered with success, %v more were cut off", a, n, least, l.unknown[a])
		}
		if a.path == "/few" && n > few {
			t.Errorf("%v: Stigg counts %v of a limit of %d", a, n, few)
		}
		total += n
		unknown += l.unknown[a]
	}
	t.Logf("Stigg counts %v units, %v of doubtful ones among them at most; %d measurements were sent again; answers by status (0 is cut off, -1 not sent): %v",
		total, unknown, again, l.answers)
	if l.answers[201] == 0 || unknown == 0 || again == 0 && *kills >= 50 {
		t.Error("this drill has tried nothing: no success, nothing cut off or nothing sent again")
	}
}

// server is the gated server, a process.
type server struct {
	*testing.T
	stigg, dir, addr string
	process          *exec.Cmd
	log              bytes.Buffer
}

func (s *server) start() {
	s.Helper()
	s.log.Reset()
	s.process = exec.CommandContext(s.Context(), os.Args[0])
	s.process.Env = append(os.Environ(), envStigg+"="+s.stigg, envOutbox+"="+s.dir, envAddr+"="+s.addr)
	s.process.Stderr = &s.log
	out, err := s.process.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "ready") {
		_ = s.process.Wait()
		s.Fatalf("the server does not start: %v\n%s", err, &s.log)
	}
}

// kill ends the server as power loss of the machine's user would: without a word.
func (s *server) kill() {
	s.Helper()
	if err := s.process.Process.Kill(); err != nil {
		s.Fatal(err)
	}
	_ = s.process.Wait() // says that it was killed
	if strings.Contains(s.log.String(), "DATA RACE") || strings.Contains(s.log.String(), "fatal error") {
		s.Errorf("the server has said:\n%s", &s.log)
	}
}

// end has the server deliver what is left and end by itself.
func (s *server) end() {
	s.Helper()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		s.Fatalf("the server ends with %v:\n%s", err, &s.log)
	}
}

// startStigg builds the emulator and starts it as a process.
func startStigg(t *testing.T) stigg {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stigg")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/stiggate/gate/cmd/stigg").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), "catalog.json")
	if err := os.WriteFile(file, catalog(t, customers), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	process := exec.CommandContext(t.Context(), binary, "emulate", "-addr", addr, "-catalog", file)
	var log bytes.Buffer
	process.Stderr = &log
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = process.Wait()
		t.Fatalf("the emulator does not start: %v\n%s", err, &log)
	}
	go func() { _, _ = bufio.NewReader(out).WriteTo(&bytes.Buffer{}) }() // until it ends
	return stigg{t, "http://" + addr}
}

// freeAddr is an address that nobody listens at. Its port is below those that the system gives to who wants
// any: nobody takes it while the server is down.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(22_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}
