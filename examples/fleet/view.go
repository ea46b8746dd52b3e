package main

// view is what the page shows of a moment.
type view struct {
	Account  account
	Waiting  int  // of the account, usages that were answered and Stigg has not acknowledged
	Over     int  // by how much the limit was exceeded, of any customer; 0: it held
	Sending  int  // requests that are sent and not answered
	Redis    bool // runs
	Store    *sums
	Replicas []replicaView
	Journal  []entry
}

// replicaView is one replica.
type replicaView struct {
	Name    string
	State   string // "serves", "starts" or "killed"
	Cut     bool   // off from Redis
	InHand  float64
	Running int
	Waiting int
	Answers answers
	Refused int
	Calls   uint64   // to the store
	Without []string // what its gate goes without
}

func (c *cluster) view() view {
	v := view{Account: c.present().look(), Sending: int(c.sending.Load()), Redis: c.redis.runs(), Journal: c.journal.last(), Over: max(0, c.over())}
	for i, r := range c.replicas {
		runs, told := r.look()
		is := replicaView{
			Name: r.name, State: "killed", Cut: r.link.severed(), InHand: told.InHand, Waiting: told.Waiting,
			Answers: v.Account.Replicas[i], Refused: v.Account.Replicas[i].refused(), Running: v.Account.Runs[i],
			Calls: told.Fleet.Calls, Without: told.Degraded,
		}
		switch {
		case told.Addr != "":
			is.State = "serves"
		case runs:
			is.State = "starts"
		}
		if s := told.Store; s.Customer == v.Account.Customer && (v.Store == nil || s.At.After(v.Store.At)) {
			v.Store = &s
		}
		v.Replicas = append(v.Replicas, is)
	}
	v.Waiting = max(0, v.Account.Answered-v.Account.Counted)
	return v
}
