package incident

import (
	"testing"
	"time"
)

func TestWhatIsMadeUpIsToldSoOften(t *testing.T) {
	var o Once
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asked := func(from, to int) (told int) {
		for i := from; i < to; i++ {
			if o.First(i, now) {
				told++
			}
		}
		return told
	}
	if n := asked(0, 10); n != 10 {
		t.Errorf("%d of 10 are told", n)
	}
	now = now.Add(24 * time.Hour)
	if n := asked(0, 20); n != 10 {
		t.Errorf("of 10 that were told and 10 that were not %d are", n)
	}
	if n := asked(20, 100_000); n != mostTold-20 || len(o.told) != mostTold {
		t.Errorf("%d more are told, and %d remembered", n, len(o.told))
	}
	if now = now.Add(onceFor); asked(0, 100_000) != mostTold {
		t.Error("an hour later there is no room again")
	}
	now = now.Add(onceFor - 1)
	if n := asked(0, 100_000); n != 0 {
		t.Errorf("within the next one %d are", n)
	}
	if now = now.Add(-48 * time.Hour); asked(1500, 1501) != 0 || asked(-1, 0) != 1 {
		t.Error("a clock that is set back has all forgotten, and not only where there is no room")
	}
}
