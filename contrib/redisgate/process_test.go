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

// runReplica admits and settles until it is killed, and says so of each unit that is kept, or, without an
// outbox, settled.
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
	say := make(chan string)
	for range 4 {
		go func() {
			for {
				ticket, d := g.Admit(ctx, acme, gate.Feature("units").Uses(1))
				if !d.Allowed {
					time.Sleep(time.Duration(2+rand.IntN(6)) * time.Millisecond)
					continue
				}
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
				if err := ticket.Settle(); err == nil {
					say <- "settled\n"
				}
			}
		}()
	}
	for line := range say {
		if _, err := os.Stdout.WriteString(line); err != nil {
			return err // the test is gone
		}
	}
	return nil
}

// TestReplicasAreKilledUnderLoad has kill -9 end real processes, again and again. Stigg never counts more than the
// limit. With an outbox it counts, in the end, all that was said to be settled, and each unit once.
func TestReplicasAreKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for name, keeps := range map[string]bool{"with an outbox": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := newServer(t)
			open(t, redis.client(), redisgate.Timing(quickTiming))
			stigg := newGrowing()
			url := stigg.serve(t)
			var settled atomic.Int64
			start := func(dir string) *exec.Cmd {
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
				go func() {
					for lines := bufio.NewScanner(out); lines.Scan(); {
						settled.Add(1)
					}
				}()
				return cmd
			}
			end := func(cmd *exec.Cmd) {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
			dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
			var all []*exec.Cmd
			for _, dir := range dirs {
				all = append(all, start(dir))
			}
			kills := 0
			for began := time.Now(); kills == 0 || time.Since(began) < *killTime; kills++ {
				time.Sleep(time.Second + rand.N(time.Second))
				i := rand.IntN(len(all))
				end(all[i])
				time.Sleep(rand.N(time.Second))
				all[i] = start(dirs[i])
			}
			for _, cmd := range all {
				end(cmd)
			}
			said := settled.Load()
			stigg.mu.Lock()
			counted, worst := stigg.used, stigg.worst
			stigg.mu.Unlock()
			t.Logf("%d kills; %d settled, Stigg counts %v", kills, said, counted)
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
				if got := int64(stigg.total()); got < said || got != int64(len(stigg.keys)) {
					t.Errorf("%d are settled and kept, Stigg counts %d, of %d keys", said, got, len(stigg.keys))
				}
				worst = max(worst, stigg.worst)
			}
			if worst > 0 {
				t.Errorf("Stigg counted %v above the limit", worst)
			}
		})
	}
}
