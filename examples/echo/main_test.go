package main

import (
	"os"
	"testing"

	"github.com/stiggate/gate/examples/internal/exampletest"
)

func TestMain(m *testing.M) { os.Exit(exampletest.Main(m, main)) }

func program() exampletest.Program {
	return exampletest.Program{Run: run, Prefix: "/orgs/{customer}"}
}

func TestWhatItPrintsWorks(t *testing.T) { program().PrintsWhatWorks(t) }

func TestTheTokensCustomerIsThePaths(t *testing.T) {
	program().ChargesTheTokensCustomer(t, map[string]int{
		"/orgs/customer-pro/campaigns":                       403,
		"/orgs/customer-basic%2F..%2Fcustomer-pro/campaigns": 401,
		"/orgs/customer-basic":                               404,
	})
}

func TestNobodyGetsInWithoutAToken(t *testing.T) { program().LetsNobodyInWithoutAToken(t) }

func TestAShortSecretIsRefused(t *testing.T) { program().RefusesAShortSecret(t) }

func TestStopping(t *testing.T) { program().StopsInOrder(t) }
