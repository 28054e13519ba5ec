// How does a container that may trace everything not get at this very program?
//
// Whoever is born into a PID namespace is seen there, and until it has executed the stage it is this program:
// /proc/PID/exe leads to the host's file, which could be written once nobody runs it (CVE-2019-5736). Not being
// dumpable keeps out everybody but a holder of CAP_SYS_PTRACE over the user namespace that we are in: a container
// without one of its own that has it. Then, and where nobody knows who else is in the namespace, the verb is begun anew
// as a sealed copy.
#pragma once
#include "runtime/base/result.h"

namespace convox::oci {

// Executes this program again, with the same words, from a memory file that nobody can change; returns where that is so
// already. Before anything was done: descriptors that are closed on exec are.
Result<> become_sealed_copy();

}  // namespace convox::oci
