package measure

import (
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"
)

// Contestant is one of those that are measured side by side.
type Contestant struct {
	Name string
	// Curve and At are its series' own.
	Curve string
	At    float64
	// Cores is the number of processors that it may use, and of the workers that run Loop at the same
	// time; 0 is one.
	Cores int
	// Loop does n operations as one of the workers.
	Loop func(worker, n int)
	// Round is called before each round, if it is not nil: for what grows while it is measured.
	Round func()
}

func (c Contestant) cores() int { return max(c.Cores, 1) }

// On is the contestant's name with the cores that it runs on.
func On(name string, cores int) string {
	if cores == 1 {
		return name + ", 1 core"
	}
	return fmt.Sprintf("%s, %d cores", name, cores)
}

// OnEach is the same contestant on each number of cores.
func OnEach(cores []int, c Contestant) []Contestant {
	var all []Contestant
	for _, n := range cores {
		each := c
		each.Name, each.Cores = On(c.Name, n), n
		all = append(all, each)
	}
	return all
}

// Bench is how long and how often is measured.
type Bench struct {
	Rounds int
	// Slices is how often a contestant has its turn in a round, Slice how long a turn takes. What it
	// took in the round is the median of its turns.
	Slices int
	Slice  time.Duration
	// Quick is for tests of the program itself: everything runs, and no figure means anything.
	Quick    bool
	Progress io.Writer
	Results  Results
}

// Size is n, or less where it is only tried whether all of it runs.
func (b *Bench) Size(n, quick int) int {
	if b.Quick {
		return quick
	}
	return n
}

// Logf tells a person what goes on.
func (b *Bench) Logf(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Progress, format+"\n", args...)
}

// Add keeps a group that was measured in another way than by Contest.
func (b *Bench) Add(g Group) { b.Results = append(b.Results, g) }

// Contest measures what an operation of each contestant takes, in nanoseconds: on one core of the
// process's processor time, on several of the clock's, divided by the operations of all workers.
func (b *Bench) Contest(g Group, contestants ...Contestant) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	g.Series = make([]Series, len(contestants))
	turns := make([]int, len(contestants)) // operations of one turn
	for i, c := range contestants {
		if c.Round != nil {
			c.Round()
		}
		g.Series[i] = Series{Name: c.Name, Curve: c.Curve, At: c.At, Unit: "ns"}
		turns[i] = b.calibrate(c)
		few := 1000
		if b.Slice/time.Duration(turns[i]) > 50*time.Microsecond {
			few = 100 // of what takes long
		}
		g.Series[i].count(c, few)
	}
	took := make([][]float64, len(contestants))
	for round := range b.Rounds {
		b.Logf("%s: round %d of %d", g.Name, round+1, b.Rounds)
		for i, c := range contestants {
			took[i] = took[i][:0]
			if c.Round != nil {
				c.Round()
			}
		}
		for range b.Slices {
			for i, c := range contestants {
				c.run(turns[i] / 2) // the caches are the last contestant's
				took[i] = append(took[i], float64(c.run(turns[i]).Nanoseconds())/float64(turns[i]))
			}
		}
		for i := range contestants {
			g.Series[i].Rounds = append(g.Series[i].Rounds, Median(took[i]))
		}
	}
	b.Add(g)
}

// calibrate is how many operations fill a turn. What takes long once may be a collection of garbage, so
// it must do so twice.
func (b *Bench) calibrate(c Contestant) int {
	for n := c.cores(); ; n *= 2 {
		took := c.run(n)
		if took*4 >= b.Slice {
			took = min(took, c.run(n))
		}
		if took*4 >= b.Slice {
			return max(c.cores(), int(float64(n)*float64(b.Slice)/float64(took)))
		}
	}
}

// run does n operations, shared among the workers, and tells how long that took: on one core what the
// process had of the processor, of which others on the machine take nothing.
func (c Contestant) run(n int) time.Duration {
	runtime.GOMAXPROCS(c.cores())
	if c.cores() == 1 {
		begun := ProcessorTime()
		c.Loop(0, n)
		return ProcessorTime() - begun
	}
	var workers sync.WaitGroup
	start := make(chan struct{})
	for w := range c.cores() {
		workers.Go(func() {
			<-start
			c.Loop(w, (n+w)/c.cores())
		})
	}
	begun := time.Now()
	close(start)
	workers.Wait()
	return time.Since(begun)
}

// count counts the allocations of one operation on one core: whole ones, since what else runs in the
// process makes some, too.
func (s *Series) count(c Contestant, n int) {
	runtime.GOMAXPROCS(1)
	c.Loop(0, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.Loop(0, n)
	runtime.ReadMemStats(&after)
	s.Counted = true
	s.Allocs = float64((after.Mallocs - before.Mallocs) / uint64(n))
	s.Bytes = float64((after.TotalAlloc - before.TotalAlloc) / uint64(n))
}
