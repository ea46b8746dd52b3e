package postgresgate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/postgresgate"
)

var kills = flag.Int("kills", 2, "how often the tests of kills kill")

// The environment of a child process, which is an app in place of the tests.
const (
	childEnv = "POSTGRESGATE_TEST_CHILD"
	envURL   = "POSTGRESGATE_TEST_URL"
	envStigg = "POSTGRESGATE_TEST_STIGG"
)

var children = map[string]func(){"app": app}

// app admits, writes a row of its own with the usage in one transaction, and commits it or not, from
// some goroutines, until it is killed.
func app() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv(envURL))
	must(err)
	var box *postgresgate.Box
	for box == nil {
		if box, err = postgresgate.Outbox(ctx, pool, postgresgate.Lease(time.Second)); err != nil {
			time.Sleep(50 * time.Millisecond) // the database starts
		}
	}
	g, err := gate.New(farStigg{os.Getenv(envStigg)}, nobody{}, gate.WithOutbox(box))
	must(err)
	fmt.Println("ready")
	for range 6 {
		go func() {
			for {
				_ = order(ctx, g, pool)
				time.Sleep(time.Duration(5+rand.IntN(10)) * time.Millisecond)
			}
		}()
	}
	_, _ = fmt.Scanln() // until the parent closes it
	ending, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	must(g.Close(ending))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// order is one request of the app. A row of orders has the key of its usage.
func order(ctx context.Context, g *gate.Gate, pool *pgxpool.Pool) error {
	ticket, d := g.Admit(ctx, gate.Customer{ID: "c"}, gate.Feature("f").Uses(1))
	if !d.Allowed {
		return errors.New(d.Code)
	}
	defer ticket.Release()
	roll := rand.IntN(4) == 0
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := postgresgate.SettleTx(ctx, tx, ticket); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO orders SELECT usage->>'key' FROM gate_outbox WHERE xmin = pg_current_xact_id()::xid"); err != nil {
			return err
		}
		if roll {
			return errors.New("the customer thinks better of it")
		}
		return nil
	})
}

// farStigg is a Stigg in the parent's process.
type farStigg struct{ url string }

func (s farStigg) Entitlements(context.Context, gate.Customer) (gate.EntitlementSet, error) {
	return gate.EntitlementSet{Features: []gate.Entitlement{{FeatureID: "f", Kind: gate.Metered, Granted: true, Limit: 1e9}}}, nil
}

func (s farStigg) Report(ctx context.Context, batch []gate.Usage) ([]gate.Ack, error) {
	keys := make([]string, len(batch))
	for i := range batch {
		keys[i] = batch[i].Key
	}
	body, _ := json.Marshal(keys)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	return make([]gate.Ack, len(batch)), answer.Body.Close()
}

// deliveries is what has arrived, and how often.
type deliveries struct {
	mu    sync.Mutex
	times map[string]int
}

func (d *deliveries) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var keys []string
	_ = json.NewDecoder(r.Body).Decode(&keys)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range keys {
		d.times[k]++
	}
}

// process is an app.
type process struct {
	*exec.Cmd
	end func()
}

func startApp(t *testing.T, s *server, schema, stigg string) *process {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), childEnv+"=app", envStigg+"="+stigg, envURL+"="+s.url("postgres")+"&pool_max_conns=10&search_path="+schema)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the app says %q, %v", line, err)
	}
	return &process{c, func() {
		_ = in.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the app ends with %v", err)
		}
	}}
}

func (p *process) kill() { _ = p.Process.Kill(); _ = p.Wait() }

// TestKillsLeaveOneUsageForEachRow kills, at random moments under load, one of two apps, or Postgres.
// In the end each row that an app has committed was delivered, by one key, and nothing else was.
func TestKillsLeaveOneUsageForEachRow(t *testing.T) {
	for _, what := range []string{"an app", "Postgres"} {
		t.Run(what, func(t *testing.T) {
			s := theServer(t)
			if what == "Postgres" {
				s = newServer(t)
			}
			schema := schemaOf(t.Name())
			pool := s.migrated(schema)
			exec1(t, pool, "CREATE TABLE orders (key text PRIMARY KEY)")
			d := &deliveries{times: map[string]int{}}
			stigg := httptest.NewServer(d)
			defer stigg.Close()
			apps := [2]*process{startApp(t, s, schema, stigg.URL), startApp(t, s, schema, stigg.URL)}
			for n := range *kills {
				time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
				if what == "Postgres" {
					s.kill()
					s.start()
					continue
				}
				apps[n%2].kill()
				apps[n%2] = startApp(t, s, schema, stigg.URL)
			}
			time.Sleep(300 * time.Millisecond)
			apps[0].end()
			apps[1].end() // what others left is free by now, but for what ran a moment ago
			drain(t, pool, stigg.URL)
			compare(t, pool, d)
		})
	}
}

// drain has a last process deliver what is left.
func drain(t *testing.T, pool *pgxpool.Pool, stigg string) {
	t.Helper()
	time.Sleep(1100 * time.Millisecond) // a lease
	box, err := postgresgate.Outbox(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gate.New(farStigg{stigg}, nobody{}, gate.WithOutbox(box))
	if err != nil {
		t.Fatal(err)
	}
	closeGate(t, g)
	if n := count(t, pool, "SELECT count(*) FROM gate_outbox WHERE done IS NULL"); n != 0 {
		t.Errorf("%d rows are left in the outbox", n)
	}
}

func compare(t *testing.T, pool *pgxpool.Pool, d *deliveries) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "SELECT key FROM orders")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	again, missing := 0, 0
	for _, k := range keys {
		if d.times[k] == 0 {
			missing++
		}
		again += max(0, d.times[k]-1)
	}
	if missing > 0 || len(d.times) != len(keys) {
		t.Errorf("of %d rows %d have no usage, and %d usages were delivered", len(keys), missing, len(d.times))
	}
	if len(keys) == 0 {
		t.Errorf("%d rows: the test tests nothing", len(keys))
	}
	t.Logf("%d rows, %d usages were sent again", len(keys), again)
}

// TestTwoProcessesKeepTheOrderOfTotals has one process leave changes and totals of some series, and two
// others deliver them: each arrives, and the totals of a series, with what stands between, in order.
func TestTwoProcessesKeepTheOrderOfTotals(t *testing.T) {
	pool := theServer(t).migrated(schemaOf(t.Name()))
	left, err := postgresgate.Outbox(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	const each = 200
	for i := range each {
		for series := range 5 {
			u := gate.Usage{Customer: gate.Customer{ID: strconv.Itoa(series)}, FeatureID: "f", Value: float64(i), Key: fmt.Sprintf("%d,%d", series, i), CreatedAt: time.Now()}
			if i%7 == 0 {
				u.Kind = gate.UsageTotal
			}
			if err := left.Append(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
	}
	st := &stigg{}
	var gates []*gate.Gate
	for range 2 {
		box, err := postgresgate.Outbox(t.Context(), pool, postgresgate.Lease(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		g, err := gate.New(st, nobody{}, gate.WithOutbox(box))
		if err != nil {
			t.Fatal(err)
		}
		gates = append(gates, g)
	}
	time.Sleep(1200 * time.Millisecond) // they have been in contact for a lease
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); st.counted() < 5*each && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
	}
	for _, g := range gates {
		closeGate(t, g)
	}
	if st.counted() != 5*each {
		t.Fatalf("%d arrived of %d", st.counted(), 5*each)
	}
	total, last := map[string]float64{}, map[string]float64{}
	for _, u := range st.order {
		c := u.Customer.ID
		if u.Value < total[c] || u.Kind == gate.UsageTotal && u.Value < last[c] {
			t.Errorf("of series %s %v (%v) came after %v, the last total was %v", c, u.Value, u.Kind, last[c], total[c])
		}
		if last[c] = max(last[c], u.Value); u.Kind == gate.UsageTotal {
			total[c] = u.Value
		}
	}
}
