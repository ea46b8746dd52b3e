package redisgate_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/identity"
)

var outboxKills = flag.Int("outbox-kills", 2, "how often the tests of the outbox kill a process, or Redis")

// childEnv has the addresses of Redis and Stigg in the environment of a child, a process of an app that
// reports usage until it is killed, and says of each whether it is kept.
const childEnv = "REDISGATE_TEST_CHILD"

func TestMain(m *testing.M) {
	if addresses := os.Getenv(childEnv); addresses != "" {
		redis, stigg, _ := strings.Cut(addresses, " ")
		fmt.Fprintln(os.Stderr, useUntilKilled(redis, stigg))
		os.Exit(1)
	}
	if os.Getenv(replicaRedis) != "" {
		fmt.Fprintln(os.Stderr, runReplica())
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// useUntilKilled is the child.
func useUntilKilled(redis, stigg string) error {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis}, DisableCache: true})
	if err != nil {
		return err
	}
	g, err := durableGate(context.Background(), client, stigg)
	if err != nil {
		return err
	}
	run := rand.Uint64()
	var mu sync.Mutex
	var users sync.WaitGroup
	for worker := range 8 {
		users.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%x-%d-%d", run, worker, i)
				if err := g.Report(context.Background(), usageOf(key)); err == nil {
					mu.Lock()
					_, err = fmt.Println(key) // one write, not buffered
					mu.Unlock()
				}
				if err != nil && errors.Is(err, io.ErrClosedPipe) {
					return
				}
				time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
			}
		})
	}
	users.Wait()
	return errors.New("nobody reads what is kept")
}

// durableGate is a gate in front of nothing, with an outbox of which the dead are known after a second.
func durableGate(ctx context.Context, client rueidis.Client, stigg string) (*gate.Gate, error) {
	box, err := redisgate.Outbox(ctx, client, quick(time.Second), redisgate.Patience(5*time.Second))
	if err != nil {
		return nil, err
	}
	who := identity.FromContext(func(context.Context) (gate.Customer, bool) { return acme, true })
	return gate.New(newStigg(), who, gate.WithReporter(poster{stigg}), gate.WithOutbox(box), gate.WithLogger(slog.New(slog.DiscardHandler)))
}

// poster reports keys to a counter by HTTP.
type poster struct{ url string }

func (p poster) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	var body bytes.Buffer
	for _, u := range batch {
		body.WriteString(u.Key + "\n")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, &body)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	return make([]gate.Ack, len(batch)), nil
}

// counter is Stigg: it counts each key once, and loses some answers.
type counter struct {
	mu       sync.Mutex
	counted  map[string]int
	down     atomic.Bool
	heard    bool // all of its answers are
	requests atomic.Int32
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	all, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	for key := range strings.FieldsSeq(string(all)) {
		c.counted[key]++
	}
	c.mu.Unlock()
	if c.requests.Add(1)%5 == 0 && !c.heard {
		w.WriteHeader(http.StatusBadGateway) // it is counted, and nobody hears of it
	}
}

// missing are the keys that are not counted.
func (c *counter) missing(kept map[string]bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range kept {
		if c.counted[key] == 0 {
			n++
		}
	}
	return n
}

// processes are children, and what they said is kept.
type processes struct {
	t         *testing.T
	addresses string
	mu        sync.Mutex
	kept      map[string]bool
	running   []*usingChild
}

type usingChild struct {
	cmd  *exec.Cmd
	kept atomic.Int32
	done chan struct{}
}

func (p *processes) start() *usingChild {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	c := &usingChild{cmd: exec.Command(self), done: make(chan struct{})}
	endWithTest(c.cmd)
	c.cmd.Env = append(os.Environ(), childEnv+"="+p.addresses)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.kept[lines.Text()] = true
			p.mu.Unlock()
			c.kept.Add(1)
		}
		_ = c.cmd.Wait()
	}()
	p.running = append(p.running, c)
	p.t.Cleanup(c.kill)
	return c
}

// kill kills it at once, and waits for what it has said.
func (c *usingChild) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// keep waits until a child has kept so many more.
func (p *processes) keep(c *usingChild, more int) {
	p.t.Helper()
	want := int(c.kept.Load()) + more
	eventually(p.t, "a process keeps more", func() bool {
		select {
		case <-c.done:
			p.t.Fatalf("a process has ended by itself: %v", c.cmd.ProcessState)
		default:
		}
		return int(c.kept.Load()) >= want
	})
}

func newProcesses(t *testing.T, s *server, stigg *counter) *processes {
	server := httptest.NewServer(stigg)
	t.Cleanup(server.Close)
	return &processes{t: t, addresses: s.addr() + " " + server.URL, kept: make(map[string]bool)}
}

// allDelivered has another process of the app deliver what is left, and checks that all that was kept is
// counted, and nothing is left.
func (p *processes) allDelivered(s *server, stigg *counter) {
	p.t.Helper()
	_, url, _ := strings.Cut(p.addresses, " ")
	g, err := durableGate(p.t.Context(), s.client(), url)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range p.running {
		c.kill()
	}
	eventually(p.t, "all is delivered", func() bool { return stigg.missing(p.kept) == 0 })
	eventually(p.t, "no stream is left", func() bool { return streams(s) == 0 })
	if err := g.Close(p.t.Context()); err != nil {
		p.t.Error(err)
	}
	twice := 0
	stigg.mu.Lock()
	for _, n := range stigg.counted {
		if n > 1 {
			twice++
		}
	}
	p.t.Logf("%d usages were kept, all are delivered; %d of %d were sent more than once", len(p.kept), twice, len(stigg.counted))
	stigg.mu.Unlock()
}

// TestKilledProcessesLoseNothing: what Append has confirmed is delivered, whoever dies.
func TestKilledProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	s, stigg := newServer(t), &counter{counted: make(map[string]int)}
	p := newProcesses(t, s, stigg)
	live := []*usingChild{p.start(), p.start()}
	for i := range *outboxKills {
		stigg.down.Store(i%3 == 1)
		victim := live[i%2]
		p.keep(victim, 20+rand.IntN(100))
		victim.kill()
		live[i%2] = p.start()
		p.keep(live[i%2], 1)
	}
	stigg.down.Store(false)
	p.allDelivered(s, stigg)
}

// TestAKilledRedisLosesNothing with its file: Stigg is down meanwhile, and then the processes are killed,
// so that nothing is delivered but what Redis has kept.
func TestAKilledRedisLosesNothing(t *testing.T) {
	t.Parallel()
	s, stigg := newServer(t, "--appendonly", "yes", "--appendfsync", "everysec"), &counter{counted: make(map[string]int)}
	stigg.down.Store(true)
	p := newProcesses(t, s, stigg)
	live := []*usingChild{p.start(), p.start()}
	for range *outboxKills {
		for _, c := range live {
			p.keep(c, 20+rand.IntN(50))
		}
		s.kill()
		s.start()
	}
	for _, c := range live {
		p.keep(c, 10)
		c.kill()
	}
	stigg.down.Store(false)
	p.allDelivered(s, stigg)
	if len(p.kept) < 40**outboxKills {
		t.Errorf("only %d usages were kept", len(p.kept))
	}
}

// failing is an outbox whose Redis is killed while it is read for the first time.
type failing struct {
	redisgate.SharedOutbox
	kill func()
	once sync.Once
}

func (f *failing) Pending(after gate.Position) iter.Seq2[gate.Kept, error] {
	return func(yield func(gate.Kept, error) bool) {
		n := 0
		for k, err := range f.SharedOutbox.Pending(after) {
			if n++; n == 150 { // of the second page
				f.once.Do(f.kill)
			}
			if !yield(k, err) {
				return
			}
		}
	}
}

// TestRedisIsKilledWhileAnEarlierRunIsRead: what that has left is delivered all the same, once Redis is there
// again, each usage once, and so is what is reported meanwhile.
func TestRedisIsKilledWhileAnEarlierRunIsRead(t *testing.T) {
	t.Parallel()
	s, stigg := newServer(t, "--appendonly", "yes", "--appendfsync", "always"), &counter{counted: make(map[string]int), heard: true}
	server := httptest.NewServer(stigg)
	t.Cleanup(server.Close)
	left, want := outboxOf(t, s.client(), quick(time.Minute)), make(map[string]bool)
	for i := range 300 {
		want[appendTo(t, left, fmt.Sprint("left-", i))[0].Key] = true
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	box := &failing{SharedOutbox: outboxOf(t, s.client(), quick(time.Minute)), kill: s.kill}
	g, err := gate.New(newStigg(), identity.FromTrustedHeader("X-Customer-ID", ""), gate.WithReporter(poster{server.URL}), gate.WithOutbox(box),
		gate.WithOutboxFailOpen(), gate.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		u := usageOf(fmt.Sprint("new-", i))
		var unkept *gate.OutboxError
		if err := g.Report(t.Context(), u); err != nil && (!errors.As(err, &unkept) || !unkept.Taken) {
			t.Fatal(err)
		}
		want[u.Key] = true
	}
	s.start()
	eventually(t, "all is delivered", func() bool { return stigg.missing(want) == 0 })
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	stigg.mu.Lock()
	defer stigg.mu.Unlock()
	for key, n := range stigg.counted {
		if n != 1 {
			t.Errorf("%s was sent %d times", key, n)
		}
	}
}
