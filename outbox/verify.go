package outbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	bolt "go.etcd.io/bbolt"
)

// verify walks all pages of the database that can be reached and returns what is wrong
// with the first one that can't be trusted. bbolt itself ends the process on such a file
// when it opens it for writing, from a goroutine of its own, so it must not see one.
//
// It reads the file, not the memory map, of which a part may lie beyond the file's end.
// f holds the file that tx is a transaction on, under the same lock.
func verify(f io.ReaderAt, size int64, tx *bolt.Tx) error {
	if size < tx.Size() {
		return fmt.Errorf("it is cut off: %d bytes of %d", size, tx.Size())
	}
	page := int64(tx.DB().Info().PageSize)
	w := walk{file: f, pageSize: page, pages: uint64(tx.Size() / page), seen: make(map[uint64]bool)}
	return w.tree(uint64(tx.Cursor().Bucket().Root()), nil, nil)
}

// walk is over the pages of bbolt's format 2: a header of 16 bytes (number of the page,
// 8; flags, 2; number of elements, 2; pages that follow as one with it, 4), then
// elements of 16 bytes that point to keys and values.
type walk struct {
	file     io.ReaderAt
	pageSize int64
	pages    uint64 // the end of the pages in use
	seen     map[uint64]bool
}

const (
	headerBytes  = 16
	elementBytes = 16
	branchPage   = 1
	leafPage     = 2
	bucketFlag   = 1
)

// tree verifies the page id and what is below; its keys are within [low, high).
func (w *walk) tree(id uint64, low, high []byte) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	if flags := binary.NativeEndian.Uint16(p[8:]); flags != branchPage && flags != leafPage {
		return fmt.Errorf("page %d has the wrong type", id)
	}
	return w.elements(id, p, low, high)
}

// read reads a page with those that follow as one with it.
func (w *walk) read(id uint64) ([]byte, error) {
	if id < 2 || id >= w.pages {
		return nil, fmt.Errorf("page %d is out of bounds", id)
	}
	header := make([]byte, headerBytes)
	if _, err := w.file.ReadAt(header, int64(id)*w.pageSize); err != nil {
		return nil, err
	}
	follow := uint64(binary.NativeEndian.Uint32(header[12:]))
	if got := binary.NativeEndian.Uint64(header); got != id || follow >= w.pages-id {
		return nil, fmt.Errorf("page %d has the wrong header", id)
	}
	for i := id; i <= id+follow; i++ {
		if w.seen[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		w.seen[i] = true
	}
	p := make([]byte, int64(follow+1)*w.pageSize)
	_, err := w.file.ReadAt(p, int64(id)*w.pageSize)
	return p, err
}

func (w *walk) elements(id uint64, p, low, high []byte) error {
	n := int(binary.NativeEndian.Uint16(p[10:]))
	if headerBytes+n*elementBytes > len(p) {
		return fmt.Errorf("page %d has too many elements", id)
	}
	leaf := binary.NativeEndian.Uint16(p[8:]) == leafPage
	if n == 0 && !leaf {
		return fmt.Errorf("page %d is an empty branch", id)
	}
	for i := range n {
		e := element(p, i, leaf)
		if e.end > uint64(len(p)) {
			return fmt.Errorf("page %d has an element beyond its end", id)
		}
		key := p[e.start : e.start+e.keySize]
		if before := bytes.Compare(low, key); low != nil && (before > 0 || before == 0 && i > 0) || high != nil && bytes.Compare(key, high) >= 0 {
			return fmt.Errorf("page %d has keys that are out of order", id)
		}
		low = key
		var err error
		switch {
		case !leaf:
			next := high
			if i+1 < n {
				if f := element(p, i+1, leaf); f.end <= uint64(len(p)) {
					next = p[f.start:f.end]
				}
			}
			err = w.tree(e.child, key, next)
		case e.flags&bucketFlag != 0:
			err = w.bucket(id, p[e.start+e.keySize:e.end])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket verifies a bucket by its value: the root page and a sequence, 8 bytes each,
// and if there is no root page, the only page itself.
func (w *walk) bucket(id uint64, value []byte) error {
	if len(value) < 16 {
		return fmt.Errorf("page %d has a broken bucket", id)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.tree(root, nil, nil)
	}
	inline := value[16:]
	if len(inline) < headerBytes || binary.NativeEndian.Uint16(inline[8:]) != leafPage {
		return fmt.Errorf("page %d has a broken bucket", id)
	}
	return w.elements(id, inline, nil, nil)
}

type pageElement struct {
	flags               uint32
	child               uint64
	start, keySize, end uint64
}

func element(p []byte, i int, leaf bool) pageElement {
	at := uint64(headerBytes + i*elementBytes)
	u32 := func(offset uint64) uint64 { return uint64(binary.NativeEndian.Uint32(p[at+offset:])) }
	if leaf {
		e := pageElement{flags: uint32(u32(0)), start: at + u32(4), keySize: u32(8)}
		e.end = e.start + e.keySize + u32(12)
		return e
	}
	e := pageElement{start: at + u32(0), keySize: u32(4), child: binary.NativeEndian.Uint64(p[at+8:])}
	e.end = e.start + e.keySize
	return e
}
