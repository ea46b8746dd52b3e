package redisgate_test

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/fleet"
)

// quick is the timing of a fleet whose dead are known soon.
func quick(reclaim time.Duration) redisgate.Option {
	return redisgate.Timing(fleet.Timing{Valid: max(reclaim/8, 300*time.Millisecond), Reclaim: reclaim, Owe: 2 * reclaim, Keep: time.Hour})
}

func outboxOf(t testing.TB, client rueidis.Client, options ...redisgate.Option) redisgate.SharedOutbox {
	t.Helper()
	b, err := redisgate.Outbox(t.Context(), client, append([]redisgate.Option{redisgate.Patience(20 * time.Second)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestTheOutboxKeepsTheContract(t *testing.T) {
	client := newServer(t).client()
	conformance.RunOutbox(t, func(dir string) (gate.Outbox, error) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(dir))
		return redisgate.Outbox(context.Background(), client, redisgate.Prefix("gate:"+strconv.FormatUint(h.Sum64(), 36)), redisgate.Patience(20*time.Second))
	})
}

func usageOf(key string) gate.Usage {
	return gate.Usage{Customer: acme, FeatureID: "units", Value: 1, Key: key, CreatedAt: time.Now().UTC().Round(0)}
}

func appendTo(t testing.TB, b gate.Outbox, keys ...string) (all []gate.Usage) {
	t.Helper()
	for _, k := range keys {
		u := usageOf(k)
		if err := b.Append(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

func pendingKeys(t testing.TB, b gate.Outbox, after gate.Position) (keys []string) {
	t.Helper()
	for k, err := range b.Pending(after) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k.Key)
	}
	return keys
}

// adopting runs Adopt, and collects what is taken.
type adopting struct {
	taken chan gate.Usage
	full  chan bool // what is answered, while it has any: true for no room
	end   context.CancelFunc
	ended chan error
}

func adopt(t *testing.T, b gate.Adopter) *adopting {
	a := &adopting{taken: make(chan gate.Usage, 10_000), full: make(chan bool, 10), ended: make(chan error, 1)}
	ctx, end := context.WithCancel(t.Context())
	a.end = end
	go func() {
		a.ended <- b.Adopt(ctx, func(u ...gate.Usage) error {
			select {
			case <-a.full:
				return gate.ErrQueueFull
			default:
			}
			for _, one := range u {
				a.taken <- one
			}
			return nil
		})
	}()
	t.Cleanup(end)
	return a
}

// wants waits for so many usages, and checks their keys.
func (a *adopting) wants(t *testing.T, keys ...string) (all []gate.Usage) {
	t.Helper()
	var got []string
	for range keys {
		select {
		case u := <-a.taken:
			got, all = append(got, u.Key), append(all, u)
		case <-time.After(time.Minute):
			t.Fatalf("only %q were taken over, want %q", got, keys)
		}
	}
	if !slices.Equal(got, keys) {
		t.Errorf("%q were taken over, want %q", got, keys)
	}
	return all
}

func (a *adopting) wantsNone(t *testing.T) {
	t.Helper()
	select {
	case u := <-a.taken:
		t.Errorf("%q was taken over, too", u.Key)
	default:
	}
}

// streams are how many there are in Redis.
func streams(s *server) int {
	return strings.Count(s.cli("KEYS", "*:stream"), ":stream")
}

// TestWhatAClosedProcessLeftIsDeliveredByAnother while that runs, and is gone then.
func TestWhatAClosedProcessLeftIsDeliveredByAnother(t *testing.T) {
	s := newServer(t)
	client := s.client()
	a, b := outboxOf(t, client, quick(2*time.Second)), outboxOf(t, client, quick(2*time.Second))
	adopts := adopt(t, b)
	adopts.full <- true // there is no room at first
	left := appendTo(t, a, "1", "2", "3", "4")
	appendTo(t, b, "own")
	if err := a.Done(left[1]); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	taken := adopts.wants(t, "1", "3", "4")
	if !taken[0].CreatedAt.Equal(left[0].CreatedAt) || taken[0].Value != 1 {
		t.Errorf("got %+v, want %+v", taken[0], left[0])
	}
	if got := pendingKeys(t, b, 0); !slices.Equal(got, []string{"own"}) {
		t.Errorf("pending are %q", got)
	}
	if err := errors.Join(b.Done(taken[0]), b.SetAside(taken[1], "refused"), b.Done(taken[2])); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is gone", func() bool { return streams(s) == 1 })
	adopts.wantsNone(t)
	if got := b.Stats(); got.Pending != 1 || got.SetAside != 1 || got.Err != nil {
		t.Errorf("stats: %+v", got)
	}
	if got := strings.TrimSpace(s.cli("HLEN", "gate:{aside}")); got != "1" {
		t.Errorf("%s are set aside", got)
	}
	if err := b.Done(usageOf("own")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := streams(s); n != 0 {
		t.Errorf("%d streams are left", n)
	}
	adopts.end()
	if err := <-adopts.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Adopt: %v", err)
	}
}

// TestAProcessThatWasPausedGoesOn: another has taken over what it had, and both deliver it; it writes to
// another stream, finds what it wants to read back, and is not taken for dead again.
func TestAProcessThatWasPausedGoesOn(t *testing.T) {
	s, clock := newServer(t), newClock()
	client := s.client()
	paused := outboxOf(t, client, quick(10*time.Minute), redisgate.Clock(clock.now)) // it is quiet for long
	appendTo(t, paused, "1", "2")
	clock.advance(time.Hour)
	heir := outboxOf(t, client, quick(10*time.Minute), redisgate.Clock(clock.now))
	if got := pendingKeys(t, heir, 0); !slices.Equal(got, []string{"1", "2"}) {
		t.Fatalf("the heir has %q", got)
	}
	if err := heir.Done(usageOf("1")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "that is noted", func() bool { return strings.Contains(s.cli("KEYS", "*"), ":done") })
	appendTo(t, paused, "3", "4")
	if got := pendingKeys(t, paused, 0); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("the one that was paused has %q", got)
	}
	var after gate.Position
	for k := range paused.Pending(0) {
		if after = k.At; k.Key == "2" {
			break
		}
	}
	if got := pendingKeys(t, paused, after); !slices.Equal(got, []string{"3", "4"}) {
		t.Errorf("behind the second there are %q", got)
	}
	if err := errors.Join(paused.Done(usageOf("1"), usageOf("2"), usageOf("3")), heir.Done(usageOf("2"))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(paused.Close(), heir.Close()); err != nil {
		t.Fatal(err)
	}
	if got := pendingKeys(t, outboxOf(t, client, redisgate.Clock(clock.now)), 0); !slices.Equal(got, []string{"4"}) {
		t.Errorf("in the end there are %q", got)
	}
}

// TestARedisThatFailsIsSaid: Append says that it does not keep, Healthy too, until it does again.
func TestARedisThatFailsIsSaid(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--appendonly", "yes")
	client := s.client()
	b := outboxOf(t, client, redisgate.Patience(time.Second))
	appendTo(t, b, "1")
	do(t, client, "CONFIG", "SET", "maxmemory", "1")
	if err := b.Append(t.Context(), usageOf("2")); !errors.Is(err, redisgate.ErrMemory) || !errors.Is(b.Healthy(), redisgate.ErrMemory) {
		t.Errorf("out of memory: %v; %v", err, b.Healthy())
	}
	do(t, client, "CONFIG", "SET", "maxmemory", "0")
	eventually(t, "it is healthy again", func() bool { return b.Healthy() == nil })
	s.kill()
	if err := b.Append(t.Context(), usageOf("3")); !errors.Is(err, redisgate.ErrUnreachable) || b.Healthy() == nil {
		t.Errorf("without Redis: %v; %v", err, b.Healthy())
	}
	if err := b.Done(usageOf("1")); err != nil {
		t.Errorf("Done: %v", err)
	}
	s.start()
	eventually(t, "it is healthy again", func() bool { return b.Healthy() == nil })
	appendTo(t, b, "4")
	eventually(t, "what is done is forgotten", func() bool { return slices.Equal(pendingKeys(t, b, 0), []string{"4"}) })
	s.kill()
	s.removeFiles()
	s.start()
	eventually(t, "Redis, which has lost all, is used", func() bool { return b.Append(t.Context(), usageOf("5")) == nil })
	if got := pendingKeys(t, b, 0); !slices.Contains(got, "5") {
		t.Errorf("there are %q", got)
	}
}

func TestWhatIsWrongWithARedisForAnOutboxIsSaid(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru")
	if _, err := redisgate.Outbox(t.Context(), s.client()); !errors.Is(err, redisgate.ErrEvicts) {
		t.Errorf("it evicts: %v", err)
	}
	alone := newServer(t)
	client := alone.client()
	b := outboxOf(t, client, redisgate.WaitFor(1), redisgate.Patience(100*time.Millisecond))
	if err := b.Append(t.Context(), usageOf("1")); !errors.Is(err, redisgate.ErrNotReplicated) {
		t.Errorf("no replica has it: %v", err)
	}
	replica := newServer(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(alone.port))
	eventually(t, "the replica follows", func() bool { return strings.Contains(replica.cli("INFO", "replication"), "master_link_status:up") })
	if err := outboxOf(t, client, redisgate.WaitFor(1)).Append(t.Context(), usageOf("2")); err != nil {
		t.Errorf("a replica has it: %v", err)
	}
	if _, err := redisgate.Outbox(t.Context(), client, redisgate.TTL(time.Minute, time.Minute)); err == nil {
		t.Error("an option of the cache's is taken")
	}
}

// TestWhatIsDamagedStaysThere: it is told, and what is behind it is delivered.
func TestWhatIsDamagedStaysThere(t *testing.T) {
	s := newServer(t)
	client := s.client()
	b := outboxOf(t, client)
	u := usageOf("2")
	u.Dimensions = map[string]any{"n": json.RawMessage("1")}
	appendTo(t, b, "1")
	if err := b.Append(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	key := ""
	for k := range strings.FieldsSeq(s.cli("KEYS", "*:stream")) {
		key = k
	}
	do(t, client, "XADD", key, "3-0", "u", "nonsense")
	do(t, client, "XADD", key, "4-0", "v", "\x01")
	do(t, client, "HINCRBY", strings.Replace(key, ":stream", ":meta", 1), "last", "2")
	appendTo(t, b, "5")
	for range 2 { // also after a restart
		var keys []string
		bad := 0
		for k, err := range b.Pending(0) {
			if err != nil {
				bad++
				continue
			}
			keys = append(keys, k.Key)
		}
		if !slices.Equal(keys, []string{"1", "2", "5"}) || bad != 2 {
			t.Errorf("there are %q, and %d that can't be read", keys, bad)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		b = outboxOf(t, client)
	}
	for range pendingKeysOf(b) {
	}
	if err := b.Done(usageOf("1"), usageOf("2"), usageOf("5")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the rest is done", func() bool { return b.Stats().Pending == 0 && strings.TrimSpace(s.cli("XLEN", key)) == "2" })
}

func pendingKeysOf(b gate.Outbox) (keys []string) {
	for k := range b.Pending(0) {
		keys = append(keys, k.Key)
	}
	return keys
}

// TestARedisThatHasLostItsLastWrites, by a failover or a power cut, keeps what comes then: what was lost is
// done without taking it along, and who reads on finds it.
func TestARedisThatHasLostItsLastWrites(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	b := outboxOf(t, s.client(), redisgate.Reclaim(time.Hour))
	first := appendTo(t, b, "1", "2")
	s.cli("SAVE")
	lost := appendTo(t, b, "3", "4", "5")
	var at gate.Position
	for k, err := range b.Pending(0) {
		if at = k.At; err != nil {
			t.Fatal(err)
		}
	}
	s.kill()
	s.start()
	eventually(t, "the outbox finds Redis again", func() bool { return b.Append(t.Context(), usageOf("6")) == nil })
	appendTo(t, b, "7")
	if keys := pendingKeys(t, b, at); !slices.Equal(keys, []string{"6", "7"}) {
		t.Errorf("behind what was read are %q", keys)
	}
	if err := b.Done(append(lost, first[0])...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what is done is forgotten", func() bool { return len(pendingKeysOf(b)) <= 3 })
	time.Sleep(300 * time.Millisecond)
	if keys := pendingKeys(t, b, 0); !slices.Equal(keys, []string{"2", "6", "7"}) {
		t.Errorf("there are %q", keys)
	}
}

// TestWhatIsDoneAndComesBackIsForgotten: a Redis that has lost its last writes has it again, and nobody sends
// it once more.
func TestWhatIsDoneAndComesBackIsForgotten(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	b := outboxOf(t, s.client(), quick(2*time.Second))
	all := appendTo(t, b, "1", "2", "3", "4", "5")
	s.cli("SAVE")
	if err := errors.Join(b.Done(all[:2]...), b.SetAside(all[2], "no meter")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is forgotten", func() bool { return len(pendingKeysOf(b)) == 2 })
	s.kill()
	s.start()
	eventually(t, "the outbox finds Redis again", func() bool { return b.Append(t.Context(), usageOf("6")) == nil })
	eventually(t, "it is forgotten again", func() bool { return slices.Equal(slices.Compact(pendingKeysOf(b)), []string{"4", "5", "6"}) })
	if got := s.cli("HVALS", "gate:{aside}"); !strings.Contains(got, "no meter") {
		t.Errorf("what was set aside is lost: %q", got)
	}
	time.Sleep(time.Second) // what waits is not
	if keys := slices.Compact(pendingKeys(t, b, 0)); !slices.Equal(keys, []string{"4", "5", "6"}) {
		t.Errorf("there are %q", keys)
	}
	if err := b.Done(append(all[3:], usageOf("6"))...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left", func() bool { return len(pendingKeysOf(b)) == 0 && b.Stats().Pending == 0 })
}

// TestTooFewReplicasAreUnhealthy until there are enough, whatever else Redis answers meanwhile; and the
// outbox lives on: nobody takes what it has.
func TestTooFewReplicasAreUnhealthy(t *testing.T) {
	t.Parallel()
	alone := newServer(t)
	client := alone.client()
	const reclaim = 2 * time.Second
	b := outboxOf(t, client, redisgate.WaitFor(1), redisgate.Patience(100*time.Millisecond), quick(reclaim))
	for range 40 { // some beats
		if err := b.Healthy(); !errors.Is(err, redisgate.ErrNotReplicated) {
			t.Fatalf("no replica has anything, and Healthy says %v", err)
		}
		time.Sleep(reclaim / 20)
	}
	if err := b.Append(t.Context(), usageOf("1")); !errors.Is(err, redisgate.ErrNotReplicated) {
		t.Errorf("no replica has it: %v", err)
	}
	if keys := pendingKeys(t, outboxOf(t, client, quick(reclaim)), 0); len(keys) > 0 {
		t.Errorf("another process takes %q", keys)
	}
	newServer(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(alone.port))
	eventually(t, "it is healthy once a replica follows", func() bool { return b.Healthy() == nil })
	appendTo(t, b, "2")
}

// TestWhatTooFewReplicasHaveIsForgotten: the gate delivers it from memory, and it is in Redis all the same.
func TestWhatTooFewReplicasHaveIsForgotten(t *testing.T) {
	client := newServer(t).client()
	b := outboxOf(t, client, redisgate.WaitFor(1), redisgate.Patience(50*time.Millisecond))
	u, aside := usageOf("done"), usageOf("aside")
	for _, one := range []gate.Usage{u, aside} {
		if err := b.Append(t.Context(), one); !errors.Is(err, redisgate.ErrNotReplicated) {
			t.Fatalf("Append returned %v", err)
		}
	}
	if n := b.Stats().Pending; n != 2 {
		t.Errorf("%d are pending, want 2", n)
	}
	if err := errors.Join(b.Done(u), b.SetAside(aside, "no meter"), b.Close()); err != nil {
		t.Fatal(err)
	}
	next := outboxOf(t, client)
	if keys := pendingKeys(t, next, 0); len(keys) > 0 || next.Stats().SetAside != 1 {
		t.Errorf("pending: %v; %+v", keys, next.Stats())
	}
}
