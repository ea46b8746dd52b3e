package main

import "sync"

// record is what happened to one customer's requests. It goes by what the mailer was asked to do, what
// the balancer has answered and what Stigg counts, and by nothing that a replica says.
//
// A request was let in from the moment that its campaign reaches the mailer. It counts as running until
// the balancer has its answer: success counts for good, anything else not at all.
type record struct {
	customer string
	limit    int
	counted  func() int // by Stigg

	mu       sync.Mutex
	open     map[string]*request // that the balancer has no answer to
	running  int                 // of open, those that were let in
	replicas []answers
	peak     int // the most that was let in at any time
}

// request is one that the balancer has handed on.
type request struct {
	replica int
	letIn   bool
}

// answers counts a replica's.
type answers struct {
	Admitted    int // 201
	LimitIs     int // 402: the limit is reached
	Pending     int // 429: it may be, try again
	Unavailable int // 503: it can't be decided now
	Broken      int // the replica was killed, or is not there
}

func newRecord(customer string, limit, replicas int, counted func() int) *record {
	return &record{customer: customer, limit: limit, counted: counted, open: make(map[string]*request), replicas: make([]answers, replicas)}
}

// handOn notes that a request was handed on to a replica.
func (r *record) handOn(id string, replica int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[id] = &request{replica: replica}
}

// letIn notes that a request has reached the mailer.
func (r *record) letIn(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.open[id]; q != nil && !q.letIn { // else its replica was killed
		q.letIn = true
		r.running++
		r.peak = max(r.peak, r.total())
	}
}

// answer notes how a request was answered.
func (r *record) answer(id string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.open[id]
	delete(r.open, id)
	if q.letIn {
		r.running--
	}
	of := &r.replicas[q.replica]
	switch status {
	case 201:
		of.Admitted++
	case 402:
		of.LimitIs++
	case 429:
		of.Pending++
	case 503:
		of.Unavailable++
	default:
		of.Broken++
	}
	r.peak = max(r.peak, r.total())
}

// total is how many are let in: what was answered with success and what runs, or what Stigg counts if that
// is more. (It may count a request that runs, and one whose answer was lost with its replica.) Call it under
// the lock.
func (r *record) total() int {
	return max(r.answered()+r.running, r.counted())
}

func (r *record) answered() (n int) {
	for i := range r.replicas {
		n += r.replicas[i].Admitted
	}
	return n
}

// account is a record at a moment.
type account struct {
	Customer string
	Limit    int
	Counted  int // by Stigg
	Answered int // with success
	Running  int
	Total    int
	Peak     int
	Replicas []answers
	Runs     []int // of Running, by replica
}

func (r *record) look() account {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peak = max(r.peak, r.total())
	a := account{
		Customer: r.customer, Limit: r.limit, Counted: r.counted(), Answered: r.answered(), Running: r.running,
		Total: r.total(), Peak: r.peak, Replicas: append([]answers(nil), r.replicas...), Runs: make([]int, len(r.replicas)),
	}
	for _, q := range r.open {
		if q.letIn {
			a.Runs[q.replica]++
		}
	}
	return a
}

// refused is how many were answered otherwise.
func (a answers) refused() int { return a.LimitIs + a.Pending + a.Unavailable + a.Broken }

// sum is of all replicas.
func (a account) sum() (all answers) {
	for _, of := range a.Replicas {
		all.Admitted += of.Admitted
		all.LimitIs += of.LimitIs
		all.Pending += of.Pending
		all.Unavailable += of.Unavailable
		all.Broken += of.Broken
	}
	return all
}
