package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate"
)

// RunOutbox holds an outbox to the contract of gate.Outbox. open opens the one in dir,
// again and again after Close; it makes one if there is none. Run it with the race
// detector.
//
//	func TestOutbox(t *testing.T) {
//		conformance.RunOutbox(t, func(dir string) (gate.Outbox, error) { return outbox.Open(dir) })
//	}
func RunOutbox(t *testing.T, open func(dir string) (gate.Outbox, error)) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *box)
	}{
		{"a new outbox is healthy and holds nothing", testNew},
		{"usage comes back as it was appended, in the order of Append", testRoundTrip},
		{"a batch is kept in its order", testBatch},
		{"what is done is not pending, and unknown usage is ignored", testDone},
		{"what is set aside is not pending", testSetAside},
		{"what is set aside is not pending, whatever the reason says", testOddReasons},
		{"usage with one key is told apart by customer, feature, event and currency", testOneKey},
		{"what is done before a restart is not pending after it", testRestarts},
		{"appends from many goroutines are all kept, each goroutine's in its order", testConcurrent},
		{"Pending may be left early", testLeaveEarly},
		{"Pending goes on behind a position, while usage is appended and done", testGoOn},
		{"Append with a context that has ended returns its error", testEnded},
		{"what is done is not pending, though nobody waited for its Append", testGivenUp},
		{"after Close every method fails, and Close may be called again", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &box{dir: t.TempDir(), open: open}
			b.restart(t)
			t.Cleanup(func() { _ = b.Close() })
			test.run(t, b)
		})
	}
}

// box is an outbox under test.
type box struct {
	gate.Outbox
	dir  string
	open func(string) (gate.Outbox, error)
}

// restart closes the outbox, if it is open, and opens it.
func (b *box) restart(t *testing.T) {
	t.Helper()
	if b.Outbox != nil {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if b.Outbox, err = b.open(b.dir); err != nil {
		t.Fatal(err)
	}
}

func (b *box) append(t *testing.T, u ...gate.Usage) {
	t.Helper()
	if err := b.Append(t.Context(), u...); err != nil {
		t.Fatal(err)
	}
}

// pending is what is, after a restart.
func (b *box) pending(t *testing.T) []gate.Usage {
	t.Helper()
	b.restart(t)
	var all []gate.Usage
	for k, err := range b.Pending(0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k.Usage)
	}
	return all
}

func (b *box) wantKeys(t *testing.T, want ...string) {
	t.Helper()
	got := make([]string, 0, len(want))
	for _, u := range b.pending(t) {
		got = append(got, u.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("pending: %d keys %.20q, want %d: %.20q", len(got), got, len(want), want)
	}
}

func change(key string) gate.Usage {
	return gate.Usage{
		Customer: gate.Customer{ID: "customer-1"}, FeatureID: "feature-1", Value: 1, Key: key, CreatedAt: time.Now().UTC(),
	}
}

func changes(prefix string, n int) (u []gate.Usage, keys []string) {
	for i := range n {
		keys = append(keys, prefix+strconv.Itoa(i))
		u = append(u, change(keys[i]))
	}
	return u, keys
}

func testNew(t *testing.T, b *box) {
	if err := b.Healthy(); err != nil {
		t.Errorf("Healthy: %v", err)
	}
	if err := b.Append(t.Context()); err != nil {
		t.Errorf("Append of nothing: %v", err)
	}
	b.wantKeys(t)
}

func testRoundTrip(t *testing.T, b *box) {
	now := time.Now()
	all := []gate.Usage{
		{Customer: gate.Customer{ID: "a@b|c.d-e_f", Resource: "site|1"}, FeatureID: "feature-1", Value: 1.5, Excess: 0.25, Key: "plain"},
		{Customer: gate.Customer{ID: "a"}, Kind: gate.UsageTotal, FeatureID: "feature-1", Value: 0, Key: "total of 0"},
		{Customer: gate.Customer{ID: "a"}, Kind: gate.UsageCredits, Currency: "cred-type-1", Value: 12, Key: "credits"},
		{Customer: gate.Customer{ID: "a"}, Kind: gate.UsageEvent, Event: "e-mail sent \x00 \"✉\"", Key: "событие\n✉\x00", Dimensions: map[string]any{
			"number": json.RawMessage("1.0"), "text": json.RawMessage(`"\u00e9 é"`), "": json.RawMessage("null"),
			"spaced": json.RawMessage(`{ "b" : [1, 2],  "a": 1e400 }`), "ключ": json.RawMessage("12345678901234567890"),
		}},
		{Customer: gate.Customer{ID: "a"}, Kind: gate.UsageEvent, Event: "large", Key: "large", Dimensions: map[string]any{
			"large": json.RawMessage(strconv.Quote(string(slices.Repeat([]byte("x"), 900_000)))),
		}},
	}
	for i, v := range []float64{
		0.1, -0.1, 1.0 / 3, 1e308, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1), 1<<53 + 2,
		math.Inf(1), math.NaN(), math.Float64frombits(0x7ff8000000abcdef),
	} {
		all = append(all, gate.Usage{Customer: gate.Customer{ID: "a"}, FeatureID: "f", Value: v, Excess: -v, Key: fmt.Sprintf("value %d", i)})
	}
	for i := range all {
		all[i].CreatedAt = now.Add(time.Duration(i)*time.Nanosecond - time.Hour).UTC().Round(0)
		b.append(t, all[i])
	}
	got := b.pending(t)
	if len(got) != len(all) {
		t.Fatalf("%d pending, want %d", len(got), len(all))
	}
	for i := range all {
		same(t, got[i], all[i])
	}
}

// same compares all fields of a Usage, floats by their bits. A field that is added to
// Usage is compared too.
func same(t *testing.T, got, want gate.Usage) {
	t.Helper()
	if g, w := math.Float64bits(got.Value), math.Float64bits(want.Value); g != w {
		t.Errorf("%q: Value is %#x, want %#x", want.Key, g, w)
	}
	if g, w := math.Float64bits(got.Excess), math.Float64bits(want.Excess); g != w {
		t.Errorf("%q: Excess is %#x, want %#x", want.Key, g, w)
	}
	got.Value, got.Excess, want.Value, want.Excess = 0, 0, 0, 0
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %.500v, want %.500v", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
	}
}

func testBatch(t *testing.T, b *box) {
	u, keys := changes("batch-", 2500)
	b.append(t, u...)
	b.wantKeys(t, keys...)
}

func testDone(t *testing.T, b *box) {
	u, keys := changes("k", 5)
	b.append(t, u[0], u[1])
	b.append(t, u[2:]...)
	for _, done := range [][]gate.Usage{{u[1], change("unknown")}, {}, {u[1]}, {u[3], u[3]}} {
		if err := b.Done(done...); err != nil {
			t.Fatal(err)
		}
	}
	b.wantKeys(t, keys[0], keys[2], keys[4])
	if err := b.Done(u...); err != nil {
		t.Fatal(err)
	}
	b.wantKeys(t)
}

func testOneKey(t *testing.T, b *box) {
	u := make([]gate.Usage, 6)
	for i := range u {
		u[i] = change("k")
		u[i].Value = float64(i)
	}
	u[1].Customer.ID = "customer-2"
	u[2].Customer.Resource = "site-1"
	u[3].FeatureID = "feature-2"
	u[4] = gate.Usage{Customer: u[0].Customer, Kind: gate.UsageEvent, Event: "e", Key: "k", Value: 4, CreatedAt: u[0].CreatedAt}
	u[5] = gate.Usage{Customer: u[0].Customer, Kind: gate.UsageCredits, Currency: "c", Key: "k", Value: 5, CreatedAt: u[0].CreatedAt}
	b.append(t, u...)
	want := func(values ...float64) {
		t.Helper()
		var got []float64
		for _, u := range b.pending(t) {
			got = append(got, u.Value)
		}
		if !slices.Equal(got, values) {
			t.Errorf("pending: the ones with value %v, want %v", got, values)
		}
	}
	want(0, 1, 2, 3, 4, 5)
	if err := errors.Join(b.SetAside(u[3], "refused"), b.Done(u[0], u[4])); err != nil {
		t.Fatal(err)
	}
	want(1, 2, 5)
	if err := errors.Join(b.Done(u[5]), b.SetAside(u[1], "refused"), b.Done(u[3])); err != nil {
		t.Fatal(err)
	}
	want(2)
}

func testGoOn(t *testing.T, b *box) {
	u, keys := changes("k", 1000)
	b.append(t, u[:500]...)
	var got []string
	after := gate.Position(0)
	read := func(n int) {
		t.Helper()
		for k, err := range b.Pending(after) {
			if err != nil {
				t.Fatal(err)
			}
			if k.At <= after {
				t.Fatalf("position %d follows %d", k.At, after)
			}
			after = k.At
			if got = append(got, k.Key); len(got) == n {
				break
			}
		}
		if len(got) != n {
			t.Fatalf("%d were found, want %d", len(got), n)
		}
	}
	read(200)
	if err := b.Done(u[:100]...); err != nil { // the others stay where they are
		t.Fatal(err)
	}
	b.append(t, u[500:]...)
	read(700)
	if err := b.Done(u[100:700]...); err != nil {
		t.Fatal(err)
	}
	read(1000)
	if !slices.Equal(got, keys) {
		t.Error("they came in another order than that of Append")
	}
	for k, err := range b.Pending(after) {
		t.Errorf("behind the last there is %q, %v", k.Key, err)
	}
}

func testSetAside(t *testing.T, b *box) {
	u, keys := changes("k", 3)
	b.append(t, u...)
	if err := b.SetAside(u[1], "the feature is unknown"); err != nil {
		t.Fatal(err)
	}
	b.wantKeys(t, keys[0], keys[2])
	if err := b.Done(u[0]); err != nil {
		t.Fatal(err)
	}
	b.wantKeys(t, keys[2])
}

// testOddReasons: a reason may quote what a client has sent, and none may keep what follows from being done.
func testOddReasons(t *testing.T, b *box) {
	reasons := []string{"", "a zero byte \x00", "no UTF-8 \xff\xc3", "cut in a letter \xe2\x9c", "lines\r\n'; DROP TABLE x; --", strings.Repeat("long ", 100_000)}
	u, keys := changes("k", len(reasons)+2)
	b.append(t, u...)
	for i, reason := range reasons {
		if err := b.SetAside(u[i], reason); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Done(u[len(reasons)]); err != nil {
		t.Fatal(err)
	}
	b.wantKeys(t, keys[len(reasons)+1])
}

func testRestarts(t *testing.T, b *box) {
	var want []string
	for run := range 5 {
		u, keys := changes(fmt.Sprintf("run %d, ", run), 3)
		b.append(t, u...)
		if err := b.Done(u[1]); err != nil {
			t.Fatal(err)
		}
		want = append(want, keys[0], keys[2])
		b.wantKeys(t, want...)
	}
}

func testConcurrent(t *testing.T, b *box) {
	const writers, each = 16, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			u, _ := changes(fmt.Sprintf("%d,", w), each)
			for i := range u {
				if err := b.Append(t.Context(), u[i]); err != nil {
					t.Error(err)
				}
				if err := b.Healthy(); err != nil {
					t.Error(err)
				}
				if i%2 == 1 {
					if err := b.Done(u[i]); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	next := make(map[int]int)
	pending := b.pending(t)
	for _, u := range pending {
		var w, i int
		if _, err := fmt.Sscanf(u.Key, "%d,%d", &w, &i); err != nil {
			t.Fatalf("the key %q came out", u.Key)
		}
		if i != next[w] {
			t.Errorf("writer %d: measurement %d came, want %d", w, i, next[w])
		}
		next[w] = i + 2
	}
	if len(pending) != writers*each/2 {
		t.Errorf("%d pending, want %d", len(pending), writers*each/2)
	}
}

func testLeaveEarly(t *testing.T, b *box) {
	u, keys := changes("k", 10)
	b.append(t, u...)
	b.restart(t)
	for u, err := range b.Pending(0) {
		if err != nil || u.Key != keys[0] {
			t.Errorf("got %q, %v, want %q", u.Key, err, keys[0])
		}
		break
	}
	b.append(t, change("after"))
	b.wantKeys(t, append(keys, "after")...)
}

func testEnded(t *testing.T, b *box) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Append(ctx, change("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.append(t, change("in time"))
	pending := b.pending(t) // the late one may have been kept
	if n := len(pending); n == 0 || n > 2 || pending[n-1].Key != "in time" {
		t.Errorf("pending: %+v", pending)
	}
}

// testGivenUp: the gate delivers what an Append has failed for from memory, and Stigg has it then.
func testGivenUp(t *testing.T, b *box) {
	given := 0
	for i := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%60)*20*time.Microsecond)
		u := change("given up " + strconv.Itoa(i))
		if b.Append(ctx, u) != nil {
			given++
		}
		cancel()
		if err := b.Done(u); err != nil {
			t.Error(err)
		}
	}
	if given == 0 {
		t.Error("each Append was waited for")
	}
	b.wantKeys(t)
}

func testClosed(t *testing.T, b *box) {
	b.append(t, change("kept"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	for name, err := range map[string]error{
		"Append": b.Append(t.Context(), change("late")), "Done": b.Done(change("kept")), "SetAside": b.SetAside(change("kept"), "late"), "Healthy": b.Healthy(),
	} {
		if err == nil {
			t.Errorf("%s after Close returned nil", name)
		}
	}
	failed := false
	for _, err := range b.Pending(0) {
		failed = failed || err != nil
	}
	if !failed {
		t.Error("Pending after Close yielded no error")
	}
	b.Outbox = nil
	b.wantKeys(t, "kept")
}
