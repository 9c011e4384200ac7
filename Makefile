# What to type. Programs that more than one target needs live in testdata/package.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
DATE    := $(shell git log -1 --format=%cI 2>/dev/null)

GO_BUILD = CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X kowabunga/roles.version=$(VERSION:v%=%) -X kowabunga/roles.commit=$(COMMIT) -X kowabunga/roles.date=$(DATE)"

# Packages below testdata do not belong to ./... .
PROGRAMS = $(addprefix ./,$(sort $(patsubst %/,%,$(dir $(shell find testdata -name '*.go')))))
SOURCES  = $(shell find . -name '*.go' -not -path './dist/*')
# The race detector needs cgo, and cgo a C compiler.
RACE     = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

STAGE   := testdata/package/stage
INSTALL := testdata/package/install
SUITE   := testdata/package/suite

GORELEASER = go run github.com/goreleaser/goreleaser/v2@v2.12.7

.DEFAULT_GOAL := help
.PHONY: help go build sandbox unit test bench audit soak deb snapshot clean

help: ## say this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

go:
	@testdata/package/go-release

build: go ## the program ./kowabunga: static, stripped
	$(GO_BUILD) -o kowabunga .

sandbox: go ## a whole cloud on this machine; installs what is missing after asking (YES=1: agreed)
	@$(INSTALL) sandbox
	@$(MAKE) --no-print-directory build
	./kowabunga sandbox up $(if $(filter 1,$(YES)),--yes)

unit: go ## everything that needs only Go: gofmt, vet, tests
	@$(STAGE) gofmt sh -c 'bad=$$(gofmt -l $(SOURCES)); test -z "$$bad" || { echo "gofmt these: $$bad"; exit 1; }'
	@$(STAGE) vet go vet ./... $(PROGRAMS)
	@$(if $(RACE),,echo "no C compiler: the tests run without the race detector")
	@$(STAGE) successor go test -tags nextrelease ./core/release
	@$(STAGE) tests go test $(RACE) -p 2 -parallel 4 -timeout 10m ./... $(PROGRAMS)
	@$(if $(RACE),$(STAGE) simulator go test -timeout 10m ./roles/sim/world)

test: go ## everything, real daemons included; needs root, installs what is missing after asking
	@$(STAGE) packages $(INSTALL) sandbox test
	@$(MAKE) --no-print-directory unit
	@$(STAGE) vet-tagged sh -c 'go vet -tags lab ./... $(PROGRAMS) && go vet -tags "lab failpoint soak" ./... $(PROGRAMS)'
	@$(STAGE) lab $(SUITE) lab
	@$(STAGE) crash $(SUITE) crash

bench: build ## Go benchmarks and the whole-process figures, two Kahunas among them, with the machine; 100,000 requests at random
	@$(INSTALL) bench
	KOWABUNGA_STORM=100000 go test -count=1 -timeout 30m -run '^TestStorm' -v ./roles/kahuna/api
	@go run ./testdata/bench --program ./kowabunga

audit: go ## known vulnerabilities; licences of all modules
	@$(STAGE) licences go run ./testdata/audit
	@$(STAGE) vulnerabilities testdata/audit/vulnerabilities

soak: go ## the long crash matrix with full guests, and properties with new input: hours
	@$(STAGE) packages $(INSTALL) sandbox test
	@$(STAGE) crash-twenty $(SUITE) twenty
	@$(STAGE) soak $(SUITE) soak
	@$(STAGE) properties $(SUITE) properties

deb: build ## dist/*.deb for this machine
	@go run ./testdata/package/deb --program ./kowabunga --version "$(VERSION:v%=%)" --target dist

snapshot: go ## a release of everything in dist/, unpublished
	@$(STAGE) goreleaser-check $(GORELEASER) check
	@$(STAGE) goreleaser-snapshot $(GORELEASER) release --snapshot --clean

clean: ## remove what was built here
	rm -rf kowabunga dist
