package main

import (
	"testing"

	"github.com/stiggate/gate/examples/internal/exampletest"
)

func TestTheExample(t *testing.T) { exampletest.Routes(t, routes) }
