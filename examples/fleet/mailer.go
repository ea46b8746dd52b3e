package main

import (
	"net/http"
	"time"
)

// mailer is what the replicas' handlers work with. It takes a moment to send a campaign, and is the first
// to see that a request was let in.
type mailer struct {
	cluster *cluster
	takes   time.Duration
}

func (m mailer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if of := m.cluster.recordOf(r.Header.Get(customerHeader)); of != nil {
		of.letIn(r.Header.Get(requestHeader))
	}
	select {
	case <-time.After(m.takes):
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done(): // the replica was killed
	}
}
