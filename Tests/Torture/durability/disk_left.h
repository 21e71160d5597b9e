// What a process leaves for the next one when it ends and the power stays: the files are what the
// cache shows, and in a folder beside them stands what the disk holds for certain, with each change
// of names and of bytes that no sync has made durable.

static struct node **left;
static size_t left_count, left_room;

// The number of a node among those that are left, from 1; 0: no node.
static size_t number_of(struct node *node) {
  if (node == NULL) return 0;
  for (size_t i = 0; i < left_count; i++) if (left[i] == node) return i + 1;
  left = grown(left, left_count, &left_room, sizeof *left);
  left[left_count++] = node;
  return left_count;
}

static struct node *numbered(size_t number) {
  if (number == 0) return NULL;
  while (left_count < number) number_of(calloc(1, sizeof(struct node)));
  return left[number - 1];
}

static FILE *left_file(const char *name, const char *mode) {
  char path[4200];
  snprintf(path, sizeof path, "%s.left/%s", root, name);
  return REAL(fopen)(path, mode);
}

static void put_left(FILE *file, const void *data, size_t bytes) {
  if (bytes && fwrite(data, bytes, 1, file) != 1) abort();
}

static void *take_left(FILE *file, void *data, size_t bytes) {
  if (bytes && fread(data, bytes, 1, file) != 1) abort();
  return data;
}

// A file that was never opened is on disk as the cache shows it.
static void leave_bytes(struct node *node, size_t number) {
  char name[32];
  snprintf(name, sizeof name, "%zu", number);
  FILE *file = left_file(name, "w");
  if (file == NULL) abort();
  put_left(file, node, sizeof *node);
  put_left(file, node->data, node->bytes);
  for (size_t i = 0; i < node->count; i++) {
    put_left(file, &node->changes[i], sizeof node->changes[i]);
    if (!node->changes[i].is_size) put_left(file, node->changes[i].data, node->changes[i].bytes);
  }
  if (fclose(file) != 0) abort();
}

static void leave(void) {
  char folder[4200];
  snprintf(folder, sizeof folder, "%s.left", root);
  REAL(mkdir)(folder, 0700);
  FILE *file = left_file("names", "w");
  if (file == NULL) abort();
  left_count = 0;
  for (size_t i = 0; i < seen.count; i++)
    fprintf(file, "s\t%zu\t%s\t-\n", number_of(seen.list[i].node), seen.list[i].path);
  for (size_t i = 0; i < durable.count; i++)
    fprintf(file, "d\t%zu\t%s\t-\n", number_of(durable.list[i].node), durable.list[i].path);
  for (size_t i = 0; i < naming_count; i++)
    fprintf(file, "c\t%zu\t%s\t%s\n", number_of(namings[i].node),
      namings[i].gone ? namings[i].gone : "-", namings[i].path ? namings[i].path : "-");
  for (size_t i = 0; i < left_count; i++) leave_bytes(left[i], i + 1);
  if (fclose(file) != 0) abort();
}

static void take_bytes(struct node *node, size_t number) {
  char name[32];
  snprintf(name, sizeof name, "%zu", number);
  FILE *file = left_file(name, "r");
  if (file == NULL) abort();
  take_left(file, node, sizeof *node);
  node->room = node->bytes;
  node->changes_room = node->count;
  node->data = take_left(file, malloc(node->bytes + 1), node->bytes);
  node->changes = calloc(node->count + 1, sizeof(struct change));
  for (size_t i = 0; i < node->count; i++) {
    struct change *change = take_left(file, &node->changes[i], sizeof *change);
    if (!change->is_size)
      change->data = take_left(file, malloc(change->bytes + 1), change->bytes);
  }
  fclose(file);
}

// Goes on from what the process before has left, once.
static void take_over(void) {
  FILE *file = left_file("names", "r");
  if (file == NULL) return;
  char what, first[4096], second[4096], path[4200];
  size_t number;
  while (fscanf(file, "%c\t%zu\t%4095[^\t]\t%4095[^\n]\n", &what, &number, first, second) == 4) {
    struct node *node = numbered(number);
    if (what == 's') bind_name(&seen, first, node);
    if (what == 'd') bind_name(&durable, first, node);
    if (what != 'c') continue;
    namings = grown(namings, naming_count, &naming_room, sizeof(struct naming));
    namings[naming_count++] = (struct naming){
      strcmp(second, "-") ? strdup(second) : NULL, strcmp(first, "-") ? strdup(first) : NULL, node};
  }
  fclose(file);
  for (size_t i = 0; i < left_count; i++) take_bytes(left[i], i + 1);
  snprintf(path, sizeof path, "%s.left/names", root);
  REAL(unlink)(path);
}
