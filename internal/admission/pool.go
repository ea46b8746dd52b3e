package admission

import "sync/atomic"

// pool has one of equal values for all who have them. It is bounded: of what it has forgotten there
// may be several. The zero pool is empty.
type pool[T comparable] [mostPooled / poolWays][poolWays]atomic.Pointer[T]

const (
	mostPooled = 1 << 13
	poolWays   = 4
)

// share is a value that equals v, whose hash spreads values. What equals nothing, such as what is no
// number, is not kept.
func (p *pool[T]) share(hash uint64, v *T) *T {
	hash *= 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: the upper bits then depend on all
	set := &p[hash>>32%uint64(len(p))]
	into := &set[hash>>60%poolWays]
	for i := range set {
		switch at := set[i].Load(); {
		case at == nil:
			into = &set[i]
		case *at == *v:
			return at
		}
	}
	own := new(T)
	if *own = *v; *own == *v {
		into.Store(own)
	}
	return own
}
