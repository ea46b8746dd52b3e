package redisgate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/outbox"
)

const (
	replicaRedis  = "REDISGATE_REPLICA_REDIS"
	replicaStigg  = "REDISGATE_REPLICA_STIGG"
	replicaOutbox = "REDISGATE_REPLICA_OUTBOX"
)

// far is the test's growing, asked by another process.
type far string

func (f far) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, string(f)+path, strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	return json.NewDecoder(answer.Body).Decode(out)
}

func (f far) Entitlements(ctx context.Context, c gate.Customer) (set gate.EntitlementSet, err error) {
	return set, f.post(ctx, "/entitlements", c, &set)
}

func (f far) Report(ctx context.Context, batch []gate.Usage) (acks []gate.Ack, err error) {
	return acks, f.post(ctx, "/report", batch, &acks)
}

// serve has other processes ask the growing.
func (c *growing) serve(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/entitlements", func(w http.ResponseWriter, r *http.Request) {
		set, _ := c.Entitlements(r.Context(), gate.Customer{})
		_ = json.NewEncoder(w).Encode(set)
	})
	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) {
		var batch []gate.Usage
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			return // it was killed meanwhile
		}
		acks, _ := c.Report(r.Context(), batch)
		_ = json.NewEncoder(w).Encode(acks)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// runReplica admits and settles until it is killed, and says of each unit that it was let in, and then that it
// is kept, or, without an outbox, settled.
func runReplica() error {
	ctx := context.Background()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{os.Getenv(replicaRedis)}, DisableCache: true, DisableRetry: true})
	if err != nil {
		return err
	}
	store, err := redisgate.New(ctx, client, redisgate.Timing(quickTiming))
	if err != nil {
		return err
	}
	options := []gate.Option{gate.WithFleet(store), gate.WithTTL(100 * time.Millisecond)}
	if dir := os.Getenv(replicaOutbox); dir != "" {
		box, err := outbox.Open(dir)
		if err != nil {
			return err
		}
		options = append(options, gate.WithOutbox(box))
	}
	g, err := gate.New(far(os.Getenv(replicaStigg)), gate.ResolverFunc(func(*http.Request) (gate.Customer, error) { return acme, nil }), options...)
	if err != nil {
		return err
	}
	gone := make(chan error, 4) // the test
	say := func(line string) {
		if _, err := os.Stdout.WriteString(line); err != nil {
			gone <- err
			select {}
		}
	}
	for range 4 {
		go func() {
			for {
				ticket, d := g.Admit(ctx, acme, gate.Feature("units").Uses(1))
				if !d.Allowed {
					time.Sleep(time.Duration(2+rand.IntN(6)) * time.Millisecond)
					continue
				}
				say(letIn + "\n")
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
				if err := ticket.Settle(); err == nil {
					say("settled\n")
				}
			}
		}()
	}
	return <-gone
}

// letIn is what a replica says of a unit before it settles it.
const letIn = "let in"

// TestReplicasAreKilledUnderLoad has kill -9 end real processes, again and again. Stigg never counts more than the
// limit. With an outbox it counts, in the end, all that was said to be settled, and no more than was let in.
func TestReplicasAreKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for name, keeps := range map[string]bool{"with an outbox": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := newServer(t)
			open(t, redis.client(), redisgate.Timing(quickTiming))
			stigg := newGrowing()
			url := stigg.serve(t)
			var admitted, settled atomic.Int64
			start := func(dir string) (end func()) {
				cmd := exec.Command(os.Args[0])
				endWithTest(cmd)
				cmd.Env = append(os.Environ(), replicaRedis+"="+redis.addr(), replicaStigg+"="+url)
				if keeps {
					cmd.Env = append(cmd.Env, replicaOutbox+"="+dir)
				}
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				over := make(chan struct{})
				go func() {
					defer close(over)
					for lines := bufio.NewScanner(out); lines.Scan(); {
						if lines.Text() == letIn {
							admitted.Add(1)
						} else {
							settled.Add(1)
						}
					}
					_ = cmd.Wait() // all that it said is read
				}()
				return func() {
					_ = cmd.Process.Kill()
					<-over
				}
			}
			dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
			var ends []func()
			for _, dir := range dirs {
				ends = append(ends, start(dir))
			}
			kills := 0
			for began := time.Now(); kills == 0 || time.Since(began) < *killTime; kills++ {
				time.Sleep(time.Second + rand.N(time.Second))
				i := rand.IntN(len(ends))
				ends[i]()
				time.Sleep(rand.N(time.Second))
				ends[i] = start(dirs[i])
			}
			for _, end := range ends {
				end()
			}
			least, most := settled.Load(), admitted.Load()
			stigg.mu.Lock()
			counted, worst := stigg.used, stigg.worst
			stigg.mu.Unlock()
			t.Logf("%d kills; %d let in, %d settled, Stigg counts %v", kills, most, least, counted)
			if counted == 0 {
				t.Error("nothing was let in")
			}
			if keeps { // what is left is delivered by whoever opens it
				for _, dir := range dirs {
					box, err := outbox.Open(dir)
					if err != nil {
						t.Fatal(err)
					}
					g := newGate(t, stigg, gate.WithOutbox(box))
					if err := g.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if got := int64(stigg.total()); got < least || got > most {
					t.Errorf("%d are let in, and %d settled and kept; Stigg counts %d", most, least, got)
				}
				worst = max(worst, stigg.worst)
			}
			if worst > 0 {
				t.Errorf("Stigg counted %v above the limit", worst)
			}
		})
	}
}
