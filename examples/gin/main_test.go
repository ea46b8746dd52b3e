package main

import (
	"io"
	"os"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/stiggate/gate/examples/internal/exampletest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultErrorWriter = io.Discard
	os.Exit(exampletest.Main(m, main))
}

func program() exampletest.Program {
	return exampletest.Program{Run: run}
}

func TestWhatItPrintsWorks(t *testing.T) { program().PrintsWhatWorks(t) }

func TestThePlanIsTheTokens(t *testing.T) { program().ChargesTheTokensCustomer(t, nil) }

func TestNobodyGetsInWithoutAToken(t *testing.T) { program().LetsNobodyInWithoutAToken(t) }

func TestAShortSecretIsRefused(t *testing.T) { program().RefusesAShortSecret(t) }

func TestStopping(t *testing.T) { program().StopsInOrder(t) }
