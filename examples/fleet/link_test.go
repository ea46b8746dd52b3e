package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestALinkThatIsCut: nothing passes while it is, and all that waited passes when it is healed.
func TestALinkThatIsCut(t *testing.T) {
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	k, err := newLink(far.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	near, err := net.Dial("tcp", k.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = near.Close() }()
	peer, err := far.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	write := func(to net.Conn, text string) {
		t.Helper()
		if _, err := io.WriteString(to, text); err != nil {
			t.Fatal(err)
		}
	}
	read := func(from net.Conn, want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
	silent := func(from net.Conn) {
		t.Helper()
		_ = from.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := from.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Fatal("something passes")
		}
		_ = from.SetReadDeadline(time.Time{})
	}
	write(near, "one")
	read(peer, "one")
	if err := k.cut(); err != nil || k.cut() == nil || !k.severed() {
		t.Fatalf("cut: %v", err)
	}
	write(near, "two")
	write(peer, "three")
	silent(peer)
	silent(near)
	if err := k.heal(); err != nil || k.heal() == nil || k.severed() {
		t.Fatalf("heal: %v", err)
	}
	read(peer, "two")
	read(near, "three")
	_ = peer.Close()
	if n, err := near.Read(make([]byte, 1)); err == nil {
		t.Errorf("the other side is closed, and %d bytes come", n)
	}
}
