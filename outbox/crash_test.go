package outbox

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stiggate/gate"
)

// long has the tests of a minute and more run in full, as make soak does.
var long = flag.Bool("long", false, "run the model, the full disks and the full files in full")

var kills = flag.Int("kills", 20, "how often TestNoAcknowledgedUsageIsLostByKill kills")

// childDir is set in the environment of a child process, which runs one of the
// children instead of the tests.
const (
	childDir  = "OUTBOX_TEST_DIR"
	childWhat = "OUTBOX_TEST_CHILD"
	envLong   = "OUTBOX_TEST_LONG"
)

var children = map[string]func(dir string) error{"append": appendUntilKilled, "inherit": inheritUntilKilled, "lock": holdLock, "full": fillDisk, "small": fillSmallDisk, "volume": fillVolume}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := children[os.Getenv(childWhat)](dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}

func child(ctx context.Context, t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), childDir+"="+dir, childWhat+"="+what)
	if *long {
		c.Env = append(c.Env, envLong+"=1")
	}
	c.Stderr = os.Stderr
	return c
}

// appendUntilKilled appends from many goroutines and says what was acknowledged. It
// says what is done before it is: a crash may bring that back, but nothing else.
func appendUntilKilled(dir string) error {
	o, err := Open(dir)
	if err != nil {
		return err
	}
	run := rand.Uint64()
	var mu sync.Mutex
	say := func(word, key string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %s\n", word, key) // one write, not buffered
	}
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%x,%d,%d", run, w, i)
				u := []gate.Usage{fresh(key)}
				if i%7 == 3 {
					u = append(u, fresh(key+"b"))
				}
				if err := o.Append(context.Background(), u...); err != nil {
					say("failed", err.Error())
					continue
				}
				for i := range u {
					say("kept", u[i].Key)
				}
				if i%3 == 0 {
					say("done", key)
					_ = o.Done(named(key)...)
				}
			}
		}()
	}
	select {}
}

// TestNoAcknowledgedUsageIsLostByKill kills a process that appends, at random points, and
// looks after each kill at what it left: all that was acknowledged and not done, each
// once, each goroutine's in its order, and nothing of what was not appended.
func TestNoAcknowledgedUsageIsLostByKill(t *testing.T) {
	dir := t.TempDir()
	kept, done := make(map[string]bool), make(map[string]bool)
	for range *kills {
		appendAndKill(t, dir, kept, done)
		o, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		checkLeft(t, o, kept, done)
		closeBox(t, o)
		if t.Failed() {
			return
		}
	}
	if len(kept) < *kills || len(done) == 0 {
		t.Errorf("%d kept, %d done: the test tests nothing", len(kept), len(done))
	}
}

func appendAndKill(t *testing.T, dir string, kept, done map[string]bool) {
	t.Helper()
	c := child(t.Context(), t, "append", dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines, after := bufio.NewScanner(out), rand.IntN(2000)
	for n := 0; lines.Scan(); n++ {
		word, key, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "kept":
			kept[key] = true
		case "done":
			done[key] = true
		default:
			t.Errorf("the child says: %s", lines.Text())
		}
		if n == after {
			_ = c.Process.Kill() // what it has said until then is still to be read
		}
	}
	if err := c.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
}

// checkLeft takes what it finds as kept, since it may have been written without having
// been acknowledged.
func checkLeft(t *testing.T, o *Outbox, kept, done map[string]bool) {
	t.Helper()
	found, latest := make(map[string]bool), make(map[string]int)
	for u, err := range o.Pending(0) {
		if err != nil {
			t.Fatal(err)
		}
		if found[u.Key] {
			t.Errorf("%s is there twice", u.Key)
		}
		found[u.Key] = true
		var run string
		var w, i int
		if _, err := fmt.Sscanf(strings.ReplaceAll(strings.TrimSuffix(u.Key, "b"), ",", " "), "%s %d %d", &run, &w, &i); err != nil {
			t.Fatalf("the key %q came out", u.Key)
		}
		writer := fmt.Sprint(run, w)
		if i < latest[writer] {
			t.Errorf("%s comes after measurement %d", u.Key, latest[writer])
		}
		latest[writer] = i
	}
	for key := range kept {
		if !done[key] && !found[key] {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	for key := range found {
		kept[key] = true
	}
}

func holdLock(dir string) error {
	o, err := Open(dir)
	if err != nil {
		return err
	}
	fmt.Println("locked")
	_, _ = fmt.Scanln() // until the parent closes it
	return o.Close()
}

func TestADirectoryOfAnotherProcessIsLocked(t *testing.T) {
	dir := t.TempDir()
	c := child(t.Context(), t, "lock", dir)
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
	if lines := bufio.NewScanner(out); !lines.Scan() || lines.Text() != "locked" {
		t.Fatalf("the child says %q", lines.Text())
	}
	_, err = Open(dir)
	if locked := new(LockedError); !errors.As(err, &locked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want a *LockedError that names the directory", err)
	}
	_ = in.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	closeBox(t, open(t, dir))
}
