package measure

import (
	"io"
	"slices"
	"testing"
	"time"
)

func TestSpreadAndRatio(t *testing.T) {
	if got := SpreadOf([]float64{3, 1, 2, 10}); got != (Spread{1, 2.5, 10}) {
		t.Errorf("got %v", got)
	}
	if got := Ratio([]float64{2, 9, 5}, []float64{1, 3}); !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("got %v", got)
	}
	if got := Minus([]float64{2, 9}, []float64{1, 3}); !slices.Equal(got, []float64{1, 6}) {
		t.Errorf("got %v", got)
	}
}

// TestContestantsTakeTurns: in each round each has as many turns as it should, one after the other.
func TestContestantsTakeTurns(t *testing.T) {
	var turns []string
	var sum [2]int
	loop := func(name string) func(worker, n int) {
		return func(worker, n int) {
			if worker == 0 {
				turns = append(turns, name)
			}
			for range n {
				time.Sleep(time.Microsecond)
			}
			sum[worker] += n
		}
	}
	rounds := 0
	b := &Bench{Rounds: 2, Slices: 3, Slice: time.Microsecond, Progress: io.Discard}
	b.Contest(Group{Name: "g"},
		Contestant{Name: "A", Loop: loop("A"), Round: func() { rounds++; turns = append(turns, "|") }},
		Contestant{Name: "B", Loop: loop("B"), Cores: 2})
	if rounds != 3 { // and once before all
		t.Errorf("%d rounds were begun, want 3", rounds)
	}
	measured := turns[slices.Index(turns[1:], "|")+1:]
	want := []string{"|", "A", "A", "B", "B", "A", "A", "B", "B", "A", "A", "B", "B"} // a turn has its warm-up
	if !slices.Equal(measured, append(want, want...)) {
		t.Errorf("the turns were %v", measured)
	}
	for _, name := range []string{"A", "B"} {
		if s, ok := b.Results.Find("g", name); !ok || len(s.Rounds) != 2 || !s.Counted {
			t.Errorf("%s: %+v, %v", name, s, ok)
		}
	}
}

func TestAllocationsAreCounted(t *testing.T) {
	var kept []*[64]byte
	b := &Bench{Rounds: 1, Slices: 1, Slice: time.Microsecond, Progress: io.Discard}
	b.Contest(Group{Name: "g"}, Contestant{Name: "two", Loop: func(_, n int) {
		kept = kept[:0:0]
		for range n {
			kept = []*[64]byte{new([64]byte), nil}
		}
	}})
	if s, _ := b.Results.Find("g", "two"); s.Allocs != 2 || s.Bytes < 64 || s.Bytes > 128 {
		t.Errorf("got %+v", s)
	}
	_ = kept
}
