/* Where SimGrid comes from: the library that the build found, loaded once a process, in a thread of its own
 * when it is known early that it will be needed. */
#include "sim/simgrid.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sim/sim.h"

struct ms_sg ms_sg;

static pthread_t helper;
static bool helping, loaded;
static __thread bool loading;
static char why_not[256];

static bool find(void *library, const char *symbol, void *field)
{
    void *p = dlsym(library, symbol);
    memcpy(field, &p, sizeof p);
    if (!p)
        snprintf(why_not, sizeof why_not, "%s has no %s", MS_SIMGRID_LIBRARY, symbol);
    return p != NULL;
}

/* What libraries do when memory is out while they set themselves up. */
static void on_abort(int signal)
{
    static const char text[] = "moesim: error: SimGrid cannot be loaded: out of memory\n";
    if (!loading) /* another thread's */
        return;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(MS_INTERNAL);
}

static void *load(void *unused)
{
    struct sigaction old, ours = {.sa_handler = on_abort};
    sigaction(SIGABRT, &ours, &old);
    loading = true;
    void *library = dlopen(MS_SIMGRID_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    loading = false;
    sigaction(SIGABRT, &old, NULL);
    if (!library) {
        const char *text = dlerror();
        bool memory = !text || strstr(text, "allocate memory");
        snprintf(why_not, sizeof why_not, "%s", memory ? "out of memory" : text);
        return NULL;
    }
    bool all = find(library, "_ZN7simgrid3s4u4Link8turn_offEv", &ms_sg.link_turn_off) &&
               find(library, "_ZN7simgrid3s4u4Link7turn_onEv", &ms_sg.link_turn_on);
#define FIND(field, function) all = all && find(library, #function, &ms_sg.field);
    MS_SG_FUNCTIONS(FIND)
#undef FIND
    loaded = all;
    return NULL;
}

/* A thread's own heap takes more addresses than all of SimGrid. */
static bool addresses_are_counted(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
}

void ms_simgrid_load_ahead(void)
{
    sigset_t all, old;
    if (helping || loaded || addresses_are_counted())
        return;
    sigfillset(&all); /* signals are the caller's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    helping = pthread_create(&helper, NULL, load, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

enum ms_status ms_simgrid_load(struct ms_err *err)
{
    if (helping)
        pthread_join(helper, NULL);
    else if (!loaded && !*why_not) /* one that failed is not tried again: keys hold the version */
        load(NULL);
    helping = false;
    return loaded ? MS_OK : ms_err_set(err, MS_INTERNAL, "SimGrid cannot be loaded: %s", why_not);
}
