package outbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// inherit asserts whose usage a replica is told that it has.
func inherit(t *testing.T, o *Outbox, heir string, want ...string) {
	t.Helper()
	if from, err := o.Inherit(heir); err != nil || !slices.Equal(from, want) {
		t.Errorf("%s inherits from %q, %v, want %q", heir, from, err, want)
	}
}

// inheritUntilKilled is a replica that dies at once.
func inheritUntilKilled(dir string) error {
	o, err := Open(dir)
	if err != nil {
		return err
	}
	from, err := o.Inherit(fmt.Sprint("process ", os.Getpid()))
	if err != nil {
		return err
	}
	fmt.Println(len(from))
	select {}
}

func TestAReplicaInheritsFromThoseBeforeIt(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	inherit(t, o, "a")
	inherit(t, o, "a") // it starts once, and asks again
	closeBox(t, o)
	o = open(t, dir)
	keep(t, o, "1")
	inherit(t, o, "b", "a")
	if r, err := o.Inspect(); err != nil || !slices.Equal(r.Replicas, []string{"a", "b"}) {
		t.Errorf("the report has %q, %v", r.Replicas, err)
	}
	closeBox(t, o)
	if r, err := Inspect(dir); err != nil || !slices.Equal(r.Replicas, []string{"a", "b"}) || r.Pending != 1 {
		t.Errorf("the report of a file that nobody has open has %q, %v", r.Replicas, err)
	}
	o = open(t, dir)
	inherit(t, o, "c", "a", "b")
	if _, err := o.Inherit("c"); err != nil {
		t.Error(err)
	}
	closeBox(t, o)
	if _, err := o.Inherit("d"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestANameIsKeptThroughKill(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i := range 3 {
		c := child(t.Context(), t, "inherit", dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var from int
		_, err = fmt.Fscan(out, &from)
		_ = c.Process.Kill()
		_ = c.Wait()
		names = append(names, fmt.Sprint("process ", c.Process.Pid))
		if err != nil || from != i {
			t.Fatalf("%d inherits from %d, %v", i, from, err)
		}
	}
	o := open(t, dir)
	inherit(t, o, "b", names...)
}

func TestNamesAreForgotten(t *testing.T) {
	now := time.Now()
	clock := WithClock(func() time.Time { return now })
	dir := t.TempDir()
	take := func(heir string, want ...string) {
		t.Helper()
		o := open(t, dir, clock)
		inherit(t, o, heir, want...)
		closeBox(t, o)
	}
	take("a")
	now = now.Add(100 * 24 * time.Hour) // a ran for so long
	take("b", "a")
	now = now.Add(time.Hour)
	take("c", "a", "b")
	now = now.Add(replicaAge)
	take("d", "b", "c") // what a had no store remembers
	now = now.Add(2 * replicaAge)
	take("e", "d")
	for i := range 3 * mostReplicas {
		o := open(t, dir, clock)
		from, err := o.Inherit(fmt.Sprint(i))
		if want := min(i+2, mostReplicas); err != nil || len(from) != want {
			t.Fatalf("start %d: %q, %v, want %d", i, from, err, want)
		}
		closeBox(t, o)
	}
}

// TestACopyHasNoHeir: those that had the original may live.
func TestACopyHasNoHeir(t *testing.T) {
	o := open(t, t.TempDir())
	inherit(t, o, "a")
	keep(t, o, "1")
	var copied bytes.Buffer
	if err := o.Backup(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	wantPending(t, c, "1")
	if fileNumber(c.store.info) == 0 {
		t.Log("files have no numbers here, so a copy is not known")
		return
	}
	closeBox(t, c) // it dies before it is told its name
	c = open(t, dir)
	inherit(t, c, "b")
	closeBox(t, c)
	c = open(t, dir)
	inherit(t, c, "c", "b")
}

func TestNamesThatCannotBeRead(t *testing.T) {
	good := replicasValue([]replica{{"a", time.Now()}})
	long := slices.Concat(good, []byte{1})
	binary.LittleEndian.PutUint32(long[1:], checksum(long[5:]))
	for name, value := range map[string][]byte{
		"a bit is wrong": append(slices.Clone(good[:len(good)-1]), 'b'), "they are cut off": good[:len(good)-1],
		"they are of another format": {2}, "there is more": long, "nearly nothing": {format},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := open(t, dir)
			inherit(t, o, "a")
			keep(t, o, "1")
			closeBox(t, o)
			edit(t, filepath.Join(dir, fileName), resealed(func(tx *bolt.Tx) error { return tx.Bucket(bucketAbout).Put(replicasKey, value) }))
			if r, err := Inspect(dir); err != nil || len(r.Unreadable) != 1 || r.Pending != 1 {
				t.Errorf("the report has %q, %v", r.Unreadable, err)
			}
			o = open(t, dir)
			wantPending(t, o, "1")
			if from, err := o.Inherit("b"); err == nil || len(from) > 0 {
				t.Errorf("%q, %v", from, err)
			}
			closeBox(t, o)
			o = open(t, dir)
			inherit(t, o, "c", "b")
		})
	}
}

// TestANameThatADiskDoesNotTake: it is said, and what was there is told all the same.
func TestANameThatADiskDoesNotTake(t *testing.T) {
	dir := t.TempDir()
	o := open(t, dir)
	inherit(t, o, "a")
	closeBox(t, o)
	var j journal
	o = open(t, dir, WithLogger(j.logger()))
	b := breakable(o, false)
	b.broken.Store(true)
	if from, err := o.Inherit("b"); !slices.Equal(from, []string{"a"}) || !errors.Is(err, errBroken) {
		t.Errorf("%q, %v", from, err)
	}
	b.broken.Store(false)
	closeBox(t, o) // which writes what failed
	o = open(t, dir)
	inherit(t, o, "c", "a", "b")
}
