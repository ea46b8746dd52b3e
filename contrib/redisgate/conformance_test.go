package redisgate_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stiggate/gate/conformance"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/fleet/memory"
)

var schedules = flag.Int("schedules", 0, "random schedules of each kind; 0: few")

// suite is that of a store on a server, whose script may have a fault.
func suite(s *server, fault func(string) string) conformance.Fleet {
	client := s.client()
	return conformance.Fleet{
		Open: func(t testing.TB, now func() time.Time, timing fleet.Timing) fleet.Fleet {
			options := []redisgate.Option{redisgate.Clock(now), redisgate.Timing(timing)}
			if err := redisgate.Provision(t.Context(), client, options...); err != nil {
				t.Fatal(err)
			}
			store, err := redisgate.New(t.Context(), client, options...)
			if err != nil {
				t.Fatal(err)
			}
			return redisgate.WithFault(store, fault)
		},
		Empty: func(f fleet.Fleet, a fleet.Account) {
			for _, key := range redisgate.Keys(f.(*redisgate.Store), a) {
				do(s.t, client, "DEL", key)
			}
		},
		Save: func(f fleet.Fleet, a fleet.Account) func() {
			keys := redisgate.Keys(f.(*redisgate.Store), a)
			dumps := make([]string, len(keys))
			for i, key := range keys {
				dumps[i] = do(s.t, client, "DUMP", key)
			}
			return func() {
				for i, key := range keys {
					do(s.t, client, "DEL", key)
					if dumps[i] != "" {
						do(s.t, client, "RESTORE", key, "0", dumps[i])
					}
				}
			}
		},
		Schedules: max(*schedules, 5),
	}
}

func TestFleet(t *testing.T) {
	conformance.RunFleet(t, suite(newServer(t), nil))
}

// TestAnswersAreThoseOfTheStoreInMemory makes the same calls, at random, of both: the script and the
// rules in Go are one.
func TestAnswersAreThoseOfTheStoreInMemory(t *testing.T) {
	var clock time.Time
	now := func() time.Time { return clock }
	timing := fleet.Timing{Valid: time.Second, Reclaim: 3 * time.Second, Owe: 4 * time.Second, Keep: time.Hour}
	own, err := memory.New(memory.WithClock(now), memory.WithTiming(timing))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	client := s.client()
	options := []redisgate.Option{redisgate.Clock(now), redisgate.Timing(timing)}
	if err := redisgate.Provision(t.Context(), client, options...); err != nil {
		t.Fatal(err)
	}
	store, err := redisgate.New(t.Context(), client, options...)
	if err != nil {
		t.Fatal(err)
	}
	worlds, calls := 300, 0
	codes := make(map[fleet.Code]int)
	if *schedules > 0 {
		worlds = *schedules * 10
	}
	for seed := range worlds {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		account := fleet.Account{Customer: "c", Resource: strconv.Itoa(seed), Currency: "credits"}
		clock = time.UnixMilli(1_700_000_000_000 + int64(seed)*10_000_000)
		notes := []fleet.Note{{}}
		var n uint64
		for range 60 {
			clock = clock.Add(time.Duration(rng.IntN(600)) * time.Millisecond)
			state := randomState(rng, account, clock, notes, &n)
			got, err := store.Sync(t.Context(), []fleet.State{state})
			if err != nil {
				t.Fatal(err)
			}
			want, err := own.Sync(t.Context(), []fleet.State{state})
			if err != nil {
				t.Fatal(err)
			}
			calls++
			codes[want[0].Code]++
			if got[0] != want[0] {
				t.Fatalf("seed %d: %+v\nthe script says %+v\nthe rules in Go %+v", seed, state, got[0], want[0])
			}
			if want[0].Now.Epoch != "" {
				notes = append(notes, want[0].Now)
			}
		}
	}
	t.Logf("%d calls, %v", calls, codes)
	for _, code := range []fleet.Code{fleet.OK, fleet.Exceeded, fleet.Pending, fleet.Recall, fleet.Learning, fleet.Early, fleet.Over, fleet.Stale} {
		if codes[code] == 0 {
			t.Errorf("no call was answered %s", code)
		}
	}
}

// randomState is whatever a replica may tell, and more. Amounts are quarters, whose sums are exact.
func randomState(rng *rand.Rand, account fleet.Account, clock time.Time, notes []fleet.Note, n *uint64) fleet.State {
	amount := func() float64 { return float64(rng.IntN(40)) / 4 }
	note := func() fleet.Note { return notes[max(0, len(notes)-1-rng.IntN(6))] }
	*n++
	s := fleet.State{
		Account: account, Replica: fmt.Sprint("r", rng.IntN(4)), N: *n, Known: note(), Spare: amount(), Limit: 20 + amount()*4,
		Blind: float64(*n/8) / 4, BlindConfirmed: float64(*n/10) / 4,
	}
	if rng.IntN(8) == 0 {
		s.N -= min(s.N, uint64(rng.IntN(10)))
	}
	if rng.IntN(20) == 0 {
		s.Confirmed = s.N
	}
	s.Settled = amount()
	s.Have = s.Spare + s.Settled + amount()
	if rng.IntN(3) == 0 {
		s.Have, s.Spare, s.Settled = 0, 0, 0
	}
	if rng.IntN(2) == 0 {
		s.Need = amount() / 2
	}
	s.Want = max(s.Need, amount())
	if rng.IntN(3) == 0 {
		s.Least = amount() / 2
	}
	if rng.IntN(3) == 0 {
		s.Count = fleet.Count{Told: true, Used: amount() * float64(1+rng.IntN(8)), Since: note()}
	}
	if rng.IntN(6) == 0 {
		s.Hint = fleet.Count{Told: true, Used: amount() * float64(1+rng.IntN(8))}
	}
	if rng.IntN(10) == 0 {
		s.Heir = fmt.Sprint("r", rng.IntN(4))
	}
	if account.Resource[len(account.Resource)-1]%2 == 0 { // with periods
		const length = 10_000
		at := clock.UnixMilli() / length
		at += int64(rng.IntN(12)/10) - int64(rng.IntN(12)/10)
		s.Start, s.End, s.Named = at*length, (at+1)*length, rng.IntN(2) == 0
		if rng.IntN(6) == 0 {
			s.Start -= int64(rng.IntN(3000))
		}
	}
	return s
}

// TestMutantsOfTheScriptDie puts a fault into the script: the suite must find it.
func TestMutantsOfTheScriptDie(t *testing.T) {
	if n, err := strconv.Atoi(os.Getenv(mutantVariable)); err == nil { // this is the process of one
		m := mutants[n]
		f := suite(newServer(t), func(script string) string { return strings.Replace(script, m.text, m.fault, 1) })
		f.Schedules = 300
		conformance.RunFleet(t, f)
		return
	}
	script, err := os.ReadFile("sync.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if k := strings.Count(string(script), m.text); k != 1 {
			t.Fatalf("the script has the text to replace %d times: %s", k, m.text)
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 2)
	for n, m := range mutants {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			run := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestMutantsOfTheScriptDie$/^("+m.row+")", "-test.failfast", "-test.timeout=4m")
			endWithTest(run)
			run.Env = append(os.Environ(), fmt.Sprint(mutantVariable, "=", n))
			out, err := run.CombinedOutput()
			switch text := string(out); {
			case err == nil:
				t.Errorf("%s: it survives", m.name)
			case !strings.Contains(text, "--- FAIL") || strings.Contains(text, "ERR ") || strings.Contains(text, "test timed out"):
				t.Errorf("%s: it breaks, and is not found:\n%s", m.name, text)
			}
		})
	}
	wg.Wait()
}

const mutantVariable = "REDISGATE_MUTANT"

// mutants are faults of the script. Not among them, since it makes no difference: what was told since a count
// was asked for is kept among the counts anyway, whatever the test of lowering says of it. row is that of the
// suite which finds it.
var mutants = []struct{ name, row, text, fault string }{
	{"a count has all that was told", "messages", "while i <= #counts and counts[i][2] <= note_clock do", "while i <= #counts do"},
	{"a count has what was acknowledged since without one", "a_lower_count", "local more = blind - note_blind", "local more = 0"},
	{"an older call replaces a later one", "messages", "if n <= mine[N] then return answer('stale', 0) end", ""},
	{"what was acknowledged without a count is forgotten", "acknowledgements", "plus, clock = blind + more, plus + more, clock + 1", "plus, clock = blind + more, plus, clock + 1"},
	{"any count has what was acknowledged without one", "acknowledgements", "elseif note_clock >= plus_at then", "else"},
	{"the sum of what was acknowledged without a count stands still", "a_lower_count", "blind, plus, clock = blind + more,", "blind, plus, clock = blind,"},
	{"the dead are freed by any count", "replicas_die", "if dead > 0 and note_clock >= dead_at then", "if dead > 0 then"},
	{"the dead are never freed", "replicas_die", "if dead > 0 and note_clock >= dead_at then", "if false then"},
	{"what is out is not counted", "messages", "local room = limit - (base + plus + out)", "local room = limit - (base + plus)"},
	{"what was acknowledged without a count is not counted", "acknowledgements", "local room = limit - (base + plus + out)", "local room = limit - (base + out)"},
	{"all that is wanted is given", "messages", "units = math.max(need, math.min(want, share))", "units = math.max(need, want)"},
	{"a period ends by the caller's clock", "a_period", "if now < period_end then return answer('early', 0) end", ""},
	{"a period has what the one before had", "an_account's_period", "plus, blind, out, spare, holders, sweep, dead = 0, 0, 0, 0, 0, 0, 0\n", ""},
	{"a push is the newest count", "messages", "if hint then keep_count(hint) end", "if hint then counts = { { hint, clock } } end"},
	{"a count of another epoch is forgotten", "counts_of", "if count and note_clock == 0 then\n  keep_count(count)", "if count and note_clock == 0 then\n  clock = clock"},
	{"counts are told at the beginning", "messages", "counts[#counts + 1] = { used, clock }", "counts[#counts + 1] = { used, 0 }"},
	{"replicas die at once", "messages", "local deadline = now + reclaim", "local deadline = now + 1"},
	{"after a loss nothing is learnt", "after_a_loss", "if learning == 0 then learn(clock + 1) end", ""},
	{"a store that was thrown back is believed", "the_store_is_thrown_back", "elseif clock < known_clock or (mine and mine[N] < confirmed) then", "elseif false then"},
	{"a store that was emptied grants at once", "a_store_that_was_emptied", "if born > 0 and now < born + valid then", "if false then"},
	{"what a period had is forgotten when it goes on", "an_account's_period", "counts = { { before + counts[1][1] + plus, clock } }", "counts = { { counts[1][1] + plus, clock } }"},
	{"notes of another epoch are believed", "counts_of", "if note_epoch ~= epoch then note_clock, note_blind = 0, 0 end", ""},
	{"an heir ends the share of who lives", "what_a_dead", "or now >= s[DEADLINE] - reclaim + valid) then", "or true) then"},
	{"an heir ends a share at once", "what_a_dead", "if s and (s[LIFE] == OWING or s[HAVE] == 0) then", "if s then\n    if s[LIFE] == DEAD then dead = dead - 1 end"},
	{"what an heir has counts for the dead, too", "what_a_dead", "    s[SETTLED] = 0\n", ""},
	{"what an heir has counts for the dead until the end", "what_a_dead", "if s and (s[LIFE] == OWING or s[HAVE] == 0) then", "if s and s[HAVE] == 0 then"},
	{"an heir's dead is not found dead", "what_a_dead", "    if s[LIFE] == ALIVE then die(s) end\n", ""},
	{"who was taken for dead may spend what it has", "a_store_whose", "if spare_now > 0 and mine[LIFE] ~= ALIVE then dropped = 1 end", ""},
	{"who was forgotten may spend what it has", "a_store_whose", "if spare_now > 0 and known_epoch == epoch then dropped = 1 end", ""},
	{"nobody is asked to give back", "what_nobody_uses", "if fits(least, room + spare - spare_now) or now >= recalled + REFRESH_EVERY then", "if false then"},
}
