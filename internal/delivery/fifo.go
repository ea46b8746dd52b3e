package delivery

// smallChunk and largeChunk are lengths of chunks. Of items of 88 bytes the large one fills 8 kB.
const smallChunk, largeChunk = 8, 93

// fifo is a queue in chunks: it grows without copying what it has, whatever its length.
type fifo[T any] struct {
	head, tail *chunk[T]
	n          int
	keep       bool // the last chunk stays when all is taken, for what comes next
}

// chunk is items[from:] of a queue.
type chunk[T any] struct {
	items []T // its capacity is never exceeded
	from  int
	next  *chunk[T]
}

func (f *fifo[T]) len() int { return f.n }

// first is the item at the head; there must be one.
func (f *fifo[T]) first() *T { return &f.head.items[f.head.from] }

// push puts an item at the tail.
func (f *fifo[T]) push(item T) {
	if f.tail == nil || len(f.tail.items) == cap(f.tail.items) {
		f.grow()
	}
	f.tail.items = append(f.tail.items, item)
	f.n++
}

func (f *fifo[T]) grow() {
	c := &chunk[T]{items: make([]T, 0, min(max(f.n, smallChunk), largeChunk))}
	if f.tail == nil {
		f.head = c
	} else {
		f.tail.next = c
	}
	f.tail = c
}

// pushFront puts items, in their order, before the head.
func (f *fifo[T]) pushFront(items []T) {
	if len(items) == 0 {
		return
	}
	c := &chunk[T]{items: append(make([]T, 0, len(items)), items...), next: f.head}
	if f.n == 0 {
		c.next, f.tail = nil, c
	}
	f.head = c
	f.n += len(items)
}

// take takes n items, or all if there are fewer, off the head.
func (f *fifo[T]) take(n int) []T {
	n = min(n, f.n)
	taken := make([]T, 0, n)
	for len(taken) < n {
		c := f.head
		part := c.items[c.from:min(len(c.items), c.from+n-len(taken))]
		taken = append(taken, part...)
		clear(part)
		c.from += len(part)
		f.n -= len(part)
		f.pass()
	}
	return taken
}

// pass leaves a chunk of which all is taken.
func (f *fifo[T]) pass() {
	c := f.head
	switch {
	case c.from < len(c.items):
	case c != f.tail:
		f.head = c.next
	case f.keep && cap(c.items) <= largeChunk:
		c.items, c.from = c.items[:0], 0
	default:
		f.head, f.tail = nil, nil
	}
}

// takeFirst takes the item at the head; there must be one.
func (f *fifo[T]) takeFirst() T {
	c := f.head
	item := c.items[c.from]
	clear(c.items[c.from : c.from+1])
	c.from++
	f.n--
	f.pass()
	return item
}

// each yields the items from the head on.
func (f *fifo[T]) each(yield func(*T) bool) {
	for c := f.head; c != nil; c = c.next {
		for i := c.from; i < len(c.items); i++ {
			if !yield(&c.items[i]) {
				return
			}
		}
	}
}

// join puts all of another queue behind the tail and empties it.
func (f *fifo[T]) join(o *fifo[T]) {
	switch {
	case o.n == 0:
		return
	case f.n == 0:
		f.head, f.tail = o.head, o.tail
	default:
		f.tail.next, f.tail = o.head, o.tail
	}
	f.n += o.n
	o.head, o.tail, o.n = nil, nil, 0
}
