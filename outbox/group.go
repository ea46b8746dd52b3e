package outbox

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
)

// A group is what one value of the database holds: the records that were appended at
// about the same time. One value for many records is what makes a commit cheap. In
// format 1:
//
//	format, 1 byte
//	number of records, uvarint
//	of each record: its length, uvarint, and its checksum, 4 bytes
//	a checksum of all of the above, 4 bytes
//	the records
//
// So a record that lost bits takes none of the others with it. Which records are done
// is kept beside it, as a bitmap.
const (
	format = 1

	// maxRecords of a group; a place has recordBits for it.
	recordBits = 12
	maxRecords = 1 << recordBits
	// groupBytes is the most that a group of several records takes. bbolt keeps at least two
	// groups in a page, and these two fill one of 4 KiB: a commit that adds to the last page
	// writes little again of what was there, and needs no run of pages side by side.
	groupBytes = 2000
	// recordHeader is about what a record takes beside itself.
	recordHeader = 6
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// pack is a group that is being filled.
type pack struct {
	heads []head
	data  []byte
}

type head struct {
	size, sum uint32
	hash      uint64 // of the identity, for the index
}

// takes reports whether a record of so many bytes goes into the group.
func (p *pack) takes(bytes int) bool {
	n := len(p.heads) + 1
	return n == 1 || n <= maxRecords && len(p.data)+bytes+n*recordHeader <= groupBytes
}

// clear takes the records out and keeps the memory, if that is not much.
func (p *pack) clear() {
	if cap(p.data) > 2*groupBytes {
		p.data = nil
	}
	p.heads, p.data = p.heads[:0], p.data[:0]
}

// each yields the records.
func (p *pack) each(yield func(i int, record []byte) bool) {
	rest := p.data
	for i, h := range p.heads {
		if !yield(i, rest[:h.size:h.size]) {
			return
		}
		rest = rest[h.size:]
	}
}

// value is the group as it is written.
func (p *pack) value() []byte { return p.append(nil) }

// append appends the group as it is written.
func (p *pack) append(b []byte) []byte {
	start := len(b)
	b = slices.Grow(b, 1+binary.MaxVarintLen32+len(p.heads)*(binary.MaxVarintLen32+4)+4+len(p.data))
	b = append(b, format)
	b = binary.AppendUvarint(b, uint64(len(p.heads)))
	for _, h := range p.heads {
		b = binary.AppendUvarint(b, uint64(h.size))
		b = binary.LittleEndian.AppendUint32(b, h.sum)
	}
	b = binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
	return append(b, p.data...)
}

// group is a group as it is read; the records share the value's memory.
type group struct {
	seq     uint64
	records [][]byte // nil for one that can't be read
}

// parse returns the group's records. The error is a *RecordError for the group as a
// whole; of a record that can't be read only the place is left.
func parse(seq uint64, value []byte) (group, error) {
	whole := func(problem string) (group, error) {
		return group{seq: seq}, &RecordError{Group: seq, Record: -1, Problem: problem}
	}
	if len(value) == 0 {
		return whole("is empty")
	}
	if value[0] != format {
		return whole(fmt.Sprintf("is of format %d, which this Gate does not know", value[0]))
	}
	r := reader[[]byte]{rest: value[1:]}
	n := r.number()
	if n == 0 || n > maxRecords || n*5 > uint64(len(r.rest)) {
		return whole(garbled)
	}
	sizes, sums := make([]uint64, n), make([]uint32, n)
	for i := range sizes {
		sizes[i] = r.number()
		if r.bad || len(r.rest) < 4 {
			return whole(garbled)
		}
		sums[i] = binary.LittleEndian.Uint32(r.rest)
		r.rest = r.rest[4:]
	}
	header := value[:len(value)-len(r.rest)]
	if len(r.rest) < 4 || binary.LittleEndian.Uint32(r.rest) != checksum(header) {
		return whole(garbled)
	}
	rest := r.rest[4:]
	g := group{seq: seq, records: make([][]byte, n)}
	for i, size := range sizes {
		if size > uint64(len(rest)) {
			break // the value is cut off
		}
		if record := rest[:size:size]; checksum(record) == sums[i] {
			g.records[i] = record
		}
		rest = rest[size:]
	}
	return g, nil
}

// bitmap says which records of a group are done.
type bitmap []byte

func newBitmap(n int) bitmap { return make(bitmap, (n+7)/8) }

func (b bitmap) has(i int) bool { return i/8 < len(b) && b[i/8]&(1<<(i%8)) != 0 }

func (b bitmap) set(i int) { b[i/8] |= 1 << (i % 8) }

// value and parseBitmap keep a bitmap with a checksum. One that can't be read counts
// as empty: what was done is sent again, and counts once.
func (b bitmap) value() []byte {
	return append(binary.LittleEndian.AppendUint32(nil, checksum(b)), b...)
}

func parseBitmap(value []byte, n int) bitmap {
	b := newBitmap(n)
	if len(value) == 4+len(b) && binary.LittleEndian.Uint32(value) == checksum(value[4:]) {
		copy(b, value[4:])
	}
	return b
}
