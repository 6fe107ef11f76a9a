/* The attributes of many files, asked for without the interpreter in between: see plain.py, which says what is promised. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

/* So many are asked for before the interpreter's lock is taken again: their results are on the stack. */
#define AT_ONCE 256
#define FIELDS 12

static int
is_plain(const struct stat *status, unsigned long long device)
{
    /* What does not fit into an entry as it is, is left to those who know what to make of it. */
    return !S_ISDIR(status->st_mode) && (unsigned long long)status->st_dev == device && (unsigned long long)status->st_ino <= INT64_MAX
           && status->st_uid != (uid_t)-1 && status->st_gid != (gid_t)-1;
}

static PyObject *
entry_of(PyObject *make, const struct stat *status, PyObject *mount)
{
    PyObject *fields[FIELDS] = {
        PyLong_FromUnsignedLong(status->st_mode),
        PyLong_FromLongLong(status->st_size),
        PyLong_FromLongLong(512LL * status->st_blocks),
        PyLong_FromUnsignedLong(status->st_uid),
        PyLong_FromUnsignedLong(status->st_gid),
        PyLong_FromUnsignedLong(status->st_nlink),
        PyLong_FromUnsignedLongLong(status->st_ino),
        PyLong_FromLongLong(status->st_mtim.tv_sec),
        PyLong_FromLong(status->st_mtim.tv_nsec),
        PyLong_FromLongLong(status->st_ctim.tv_sec),
        PyLong_FromLong(status->st_ctim.tv_nsec),
        Py_NewRef(mount),
    };
    PyObject *entry = NULL;
    int whole = 1;
    for (int field = 0; field < FIELDS; field++)
        whole = whole && fields[field] != NULL;
    if (whole)
        entry = PyObject_Vectorcall(make, fields, FIELDS, NULL);
    for (int field = 0; field < FIELDS; field++)
        Py_XDECREF(fields[field]);
    return entry;
}

static int
put(PyObject *entries, PyObject *name, PyObject *entry)
{
    int failed = entry == NULL || PyDict_SetItem(entries, name, entry) < 0;
    Py_XDECREF(entry);
    return failed ? -1 : 0;
}

/* Ask for `count` names, put what is plain into `entries`, and the names of the rest at the end of `others`. */
static int
read_some(int directory, PyObject *const *names, Py_ssize_t count, unsigned long long device, PyObject *mount, PyObject *make,
          PyObject *entries, PyObject *others)
{
    struct stat found[AT_ONCE];
    const char *paths[AT_ONCE];
    char plain[AT_ONCE];

    for (Py_ssize_t each = 0; each < count; each++)
        if ((paths[each] = PyBytes_AsString(names[each])) == NULL)
            return -1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t each = 0; each < count; each++)
        plain[each] = fstatat(directory, paths[each], &found[each], AT_SYMLINK_NOFOLLOW) == 0 && is_plain(&found[each], device);
    Py_END_ALLOW_THREADS
    for (Py_ssize_t each = 0; each < count; each++) {
        if (plain[each] ? put(entries, names[each], entry_of(make, &found[each], mount)) : PyList_Append(others, names[each]))
            return -1;
    }
    return 0;
}

static PyObject *
read_plain(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int directory;
    unsigned long long device;
    PyObject *given, *mount, *make, *entries;

    if (!PyArg_ParseTuple(arguments, "iOKOOO!", &directory, &given, &device, &mount, &make, &PyDict_Type, &entries))
        return NULL;
    /* A tuple of our own holds the names, whatever others do to the list while they are asked for. */
    PyObject *names = PySequence_Tuple(given), *others = PyList_New(0);
    Py_ssize_t total = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    int failed = names == NULL || others == NULL;
    for (Py_ssize_t first = 0; !failed && first < total; first += AT_ONCE) {
        Py_ssize_t count = Py_MIN(AT_ONCE, total - first);
        failed = read_some(directory, &PyTuple_GET_ITEM(names, first), count, device, mount, make, entries, others);
    }
    Py_XDECREF(names);
    if (failed)
        Py_CLEAR(others);
    return others;
}

static PyMethodDef functions[] = {
    {"read_plain", read_plain, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_plain", .m_size = 0, .m_methods = functions};

PyMODINIT_FUNC
PyInit__plain(void)
{
    return PyModuleDef_Init(&module);
}
