package main

import (
	"cmp"
	"crypto/rand"
	"slices"
	"sync"

	"github.com/stiggate/gate"
)

// account is a company that has signed up, and what it made. It is a value: changes go through
// accounts.
type account struct {
	ID, Name, Email      string
	Campaigns, Templates []string
}

// customer is the account as Stigg knows it.
func (a account) customer() gate.Customer { return gate.Customer{ID: a.ID} }

// accounts stands for the product's database.
type accounts struct {
	mu  sync.Mutex
	all map[string]account
}

func newAccounts() *accounts { return &accounts{all: map[string]account{}} }

func newAccount(name, email string) account {
	return account{ID: "revvenu-" + rand.Text(), Name: name, Email: email}
}

func (s *accounts) get(id string) (account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[id]
	return found, ok
}

func (s *accounts) add(a account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[a.ID] = a
}

// remove returns what it removed.
func (s *accounts) remove(id string) (account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[id]
	delete(s.all, id)
	return found, ok
}

// change applies f to an account, if it is still there, and reports whether f did.
func (s *accounts) change(id string, f func(*account) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[id]
	if !ok {
		return false
	}
	found.Campaigns, found.Templates = slices.Clone(found.Campaigns), slices.Clone(found.Templates)
	if !f(&found) {
		return false
	}
	s.all[id] = found
	return true
}

// list is all accounts by name.
func (s *accounts) list() []account {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []account
	for _, a := range s.all {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b account) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all
}
