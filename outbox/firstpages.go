package outbox

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
)

// PageError says that one of the file's two first pages, which name the newest commit and
// the one before, can't be read. The outbox is opened by the other one.
type PageError struct {
	Path string
	Page int // 0 or 1
	// Spare says that it is the page of the commit before, so that nothing is missing.
	// Otherwise it may be that of the newest commit: either that was never acknowledged,
	// because the system or its power failed in the middle of it, or what it appended is
	// lost, and what it said was done is sent again.
	Spare bool
}

func (e *PageError) Error() string {
	if e.Spare {
		return fmt.Sprintf("outbox: %s: page %d, which was not needed, is damaged: nothing is lost, but the disk does not keep what it was given", e.Path, e.Page)
	}
	return fmt.Sprintf("outbox: %s: page %d, which named the newest commit, is damaged, and the commit before is used: "+
		"unless the system or its power failed while that was written, the usage of the last commit is lost", e.Path, e.Page)
}

// bbolt's first pages hold, behind the header: magic, version, page size and flags, 4
// bytes each; root page, sequence, free list, end of the pages, number of the
// transaction and an FNV-1a checksum of what is before it, 8 bytes each.
const (
	metaBytes   = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaRoot    = 16
	metaPages   = 40
	metaTxid    = 48
	metaSum     = 56
)

type meta []byte

func (m meta) known() bool {
	return binary.NativeEndian.Uint32(m) == metaMagic && binary.NativeEndian.Uint32(m[4:]) == metaVersion
}

func (m meta) txid() uint64 { return binary.NativeEndian.Uint64(m[metaTxid:]) }

// sane reports whether the numbers are such that nothing overflows and none is beyond a file of so
// many pages: a checksum says only that they are what was written.
func (m meta) sane(pages uint64) bool {
	root, end := binary.NativeEndian.Uint64(m[metaRoot:]), binary.NativeEndian.Uint64(m[metaPages:])
	return end <= pages && root < end && m.txid() < 1<<62
}

func (m meta) valid() bool {
	h := fnv.New64a()
	_, _ = h.Write(m[:metaSum])
	return m.known() && h.Sum64() == binary.NativeEndian.Uint64(m[metaSum:])
}

// firstPages returns which of the first pages can't be read, or nil. bbolt takes the
// other one and says nothing; and the next commit overwrites it.
func (s *store) firstPages(size int64) (*PageError, error) {
	var metas [2]meta
	for i := range metas {
		metas[i] = make(meta, metaBytes)
		if _, err := s.file.ReadAt(metas[i], int64(i*s.db.Info().PageSize+headerBytes)); err != nil {
			return nil, err
		}
	}
	for i := range metas {
		if metas[i].valid() && !metas[i].sane(uint64(size)/uint64(s.db.Info().PageSize)) {
			return nil, &FileError{Path: s.path(), Problem: fmt.Sprintf("is damaged or cut off: page %d names pages that it does not have", i)}
		}
	}
	bad := 0
	switch ok0, ok1 := metas[0].valid(), metas[1].valid(); {
	case ok0 == ok1:
		return nil, nil // bbolt has refused the file if both are bad
	case ok0:
		bad = 1
	}
	spare := metas[bad].known() && metas[bad].txid() < metas[1-bad].txid()
	return &PageError{Path: s.path(), Page: bad, Spare: spare}, nil
}

// damage is that of the first pages if usage may be missing, or nil.
func (s *store) damage() error {
	if s.damaged == nil || s.damaged.Spare {
		return nil
	}
	return s.damaged
}
