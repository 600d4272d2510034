//! Goes through a table or an index of SQLite in its order, page by page
//! (<https://sqlite.org/fileformat2.html#b_tree_pages>).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::node::{FILE_HEADER, Node, Stored, Tree};
use super::{Doubt, Sure};

/// As high as SQLite lets a tree grow.
const HIGHEST: u32 = 20;

/// A file, in pages.
pub(super) struct Pages<'a> {
    file: &'a File,
    size: usize,
    is_given_up: AtomicBool,
}

impl<'a> Pages<'a> {
    /// The pages of a file whose header says nothing but what decom writes.
    pub(super) fn of(file: &'a File) -> Sure<Self> {
        let mut header = [0; FILE_HEADER];
        file.read_exact_at(&mut header, 0).map_err(|_| Doubt)?;
        let size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65536,
            size => usize::from(size),
        };
        // Nothing is reserved in a page, and texts are UTF-8.
        let is_plain = header[20] == 0 && header[56..60] == [0, 0, 0, 1];
        if !size.is_power_of_two() || size < 512 || !is_plain {
            return Err(Doubt);
        }
        Ok(Self { file, size, is_given_up: AtomicBool::new(false) })
    }

    /// Whoever still reads may stop: it is in doubt already.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    fn read(&self, page: u32, into: &mut Vec<u8>) -> Sure<()> {
        let before = u64::from(page).checked_sub(1).ok_or(Doubt)?;
        if self.is_given_up.load(Ordering::Relaxed) {
            return Err(Doubt);
        }
        into.resize(self.size, 0);
        self.file.read_exact_at(into, before * self.size as u64).map_err(|_| Doubt)
    }
}

/// A part of a tree: of a table, the rows of which `after < seq <= upto`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    page: u32,
    /// How many levels are below it.
    height: u32,
    after: i64,
    upto: i64,
}

/// Goes through trees. The pages that it read are kept only as long as they are needed.
pub(super) struct Walk<'a> {
    pages: &'a Pages<'a>,
    tree: Tree,
    /// The row before.
    after: i64,
    /// Room for pages that is not used now.
    spare: Vec<Vec<u8>>,
    /// A row that is spread over several pages.
    spread: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(pages: &'a Pages<'a>, tree: Tree) -> Self {
        Self { pages, tree, after: i64::MIN, spare: Vec::new(), spread: Vec::new() }
    }

    /// The whole of a tree.
    pub(super) fn whole(&mut self, root: u32) -> Sure<Branch> {
        let (mut page, mut height) = (root, 0);
        loop {
            let bytes = self.page(page)?;
            let node = Node::any(&bytes, self.tree, page)?;
            let child = if node.is_leaf { None } else { Some(node.child(0)?) };
            self.spare.push(bytes);
            let Some(child) = child else { break };
            (page, height) = (child, height + 1);
            if height > HIGHEST {
                return Err(Doubt);
            }
        }
        Ok(Branch { page: root, height, after: i64::MIN, upto: i64::MAX })
    }

    /// Cuts a table into branches of some hundred pages each, in their order.
    pub(super) fn cut(&mut self, branch: Branch, into: &mut Vec<Branch>) -> Sure<()> {
        if branch.height < 2 {
            into.push(branch);
            return Ok(());
        }
        let bytes = self.page(branch.page)?;
        let node = Node::at(&bytes, self.tree, branch.page, false)?;
        let mut after = branch.after;
        for cell in 0..=node.cells {
            let upto = if cell == node.cells { branch.upto } else { node.key(cell)? };
            if upto <= after || upto > branch.upto {
                return Err(Doubt);
            }
            self.cut(Branch { page: node.child(cell)?, height: branch.height - 1, after, upto }, into)?;
            after = upto;
        }
        self.spare.push(bytes);
        Ok(())
    }

    /// Hands over each row of a branch in its order, of a table with its number.
    pub(super) fn rows(&mut self, branch: Branch, take: &mut impl FnMut(i64, &[u8]) -> Sure<()>) -> Sure<()> {
        self.after = branch.after;
        self.below(branch.page, branch.height, branch.upto, take)
    }

    fn below(
        &mut self,
        page: u32,
        height: u32,
        upto: i64,
        take: &mut impl FnMut(i64, &[u8]) -> Sure<()>,
    ) -> Sure<()> {
        let bytes = self.page(page)?;
        let node = Node::at(&bytes, self.tree, page, height == 0)?;
        let is_table = self.tree == Tree::Table;
        for cell in 0..node.cells {
            let key = if is_table { node.key(cell)? } else { upto };
            // In a table each row, and each that stands above for those below, is behind the one before.
            if is_table && (key <= self.after || key > upto) {
                return Err(Doubt);
            }
            if height > 0 {
                self.below(node.child(cell)?, height - 1, key, take)?;
            }
            self.after = key;
            if height == 0 || !is_table {
                take(key, self.row(&node, cell)?)?;
            }
        }
        if height > 0 {
            self.below(node.child(node.cells)?, height - 1, upto, take)?;
        }
        self.spare.push(bytes);
        Ok(())
    }

    /// Hands over the last row of a branch.
    pub(super) fn last<T>(&mut self, branch: Branch, take: impl FnOnce(&[u8]) -> Sure<T>) -> Sure<T> {
        let mut page = branch.page;
        for height in (0..=branch.height).rev() {
            let bytes = self.page(page)?;
            let node = Node::at(&bytes, self.tree, page, height == 0)?;
            if height == 0 {
                let last = node.cells.checked_sub(1).ok_or(Doubt)?;
                return take(self.row(&node, last)?);
            }
            page = node.child(node.cells)?;
            self.spare.push(bytes);
        }
        Err(Doubt)
    }

    fn page(&mut self, page: u32) -> Sure<Vec<u8>> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        self.pages.read(page, &mut bytes)?;
        Ok(bytes)
    }

    /// A row, put together where it is spread over several pages.
    fn row<'b>(&'b mut self, node: &Node<'b>, cell: usize) -> Sure<&'b [u8]> {
        let Stored { at, local, length } = node.stored(cell)?;
        let here = node.bytes.get(at..at + local).ok_or(Doubt)?;
        if local == length {
            return Ok(here);
        }
        self.spread.clear();
        self.spread.extend_from_slice(here);
        let mut next = node.page_at(at + local)?;
        while self.spread.len() < length {
            let bytes = self.page(next)?;
            let taken = (length - self.spread.len()).min(bytes.len() - 4);
            self.spread.extend_from_slice(&bytes[4..4 + taken]);
            next = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            self.spare.push(bytes);
        }
        if next == 0 { Ok(&self.spread) } else { Err(Doubt) }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use rusqlite::types::ValueRef;

    use super::super::form::take_apart;
    use super::*;

    /// What is in a table of its own, and in an index over it, in a file with pages of this size.
    fn made(folder: &tempfile::TempDir, size: usize) -> (File, [u32; 2], Vec<(i64, String)>) {
        let path = folder.path().join(format!("{size}.db"));
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {size};
                 CREATE TABLE t (seq INTEGER PRIMARY KEY, v); CREATE INDEX i ON t (v);
                 WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                 INSERT INTO t SELECT i * i - 9000, printf('%.*c', CASE i % 100 WHEN 0 THEN i * 5 ELSE 20 END,
                        char(97 + i % 26)) || (i * 7919 % 3001) FROM n"
            ))
            .unwrap();
        let roots = ["t", "i"].map(|name| {
            let query = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
            connection.query_row(query, [name], |row| row.get(0)).unwrap()
        });
        let mut statement = connection.prepare("SELECT seq, v FROM t ORDER BY seq").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows = rows.map(Result::unwrap).collect();
        (File::open(path).unwrap(), roots, rows)
    }

    fn text(value: ValueRef<'_>) -> String {
        value.as_str().unwrap().to_owned()
    }

    #[test]
    fn a_table_and_an_index_are_read_as_sqlite_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        for size in [512, 1024, 4096, 65536] {
            let (file, [table, index], wanted) = made(&folder, size);
            let pages = Pages::of(&file).unwrap();
            let mut walk = Walk::new(&pages, Tree::Table);
            let mut branches = Vec::new();
            let whole = walk.whole(table).unwrap();
            walk.cut(whole, &mut branches).unwrap();
            assert_eq!(branches.len() > 1, size < 4096, "{size}");
            let mut found = Vec::new();
            for branch in branches {
                walk.rows(branch, &mut |seq, row| {
                    let mut values = [ValueRef::Null; 2];
                    take_apart(row, &mut values)?;
                    assert_eq!(values[0], ValueRef::Null);
                    found.push((seq, text(values[1])));
                    Ok(())
                })
                .unwrap();
                let last = walk.last(branch, |row| {
                    let mut values = [ValueRef::Null; 2];
                    take_apart(row, &mut values).map(|()| text(values[1]))
                });
                assert_eq!(last.unwrap(), found.last().unwrap().1, "{size}");
            }
            assert!(found == wanted, "{size}");

            let mut walk = Walk::new(&pages, Tree::Index);
            let (whole, mut found) = (walk.whole(index).unwrap(), Vec::new());
            walk.rows(whole, &mut |_, row| {
                let mut values = [ValueRef::Null; 2];
                take_apart(row, &mut values)?;
                found.push((text(values[0]), values[1].as_i64().unwrap()));
                Ok(())
            })
            .unwrap();
            let mut wanted: Vec<_> = wanted.into_iter().map(|(seq, value)| (value, seq)).collect();
            wanted.sort();
            assert!(found == wanted, "{size}");
        }
    }

    #[test]
    fn no_flipped_byte_leads_astray_or_goes_on_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (_, [table, index], wanted) = made(&folder, 512);
        let path = folder.path().join("512.db");
        let original = std::fs::read(&path).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        for place in (0..original.len()).step_by(1999) {
            file.write_all_at(&[!original[place]], place as u64).unwrap();
            for (tree, root) in [(Tree::Table, table), (Tree::Index, index)] {
                let Ok(pages) = Pages::of(&file) else { continue };
                let mut walk = Walk::new(&pages, tree);
                let (mut rows, mut before) = (0, i64::MIN);
                let read = walk.whole(root).and_then(|whole| {
                    walk.rows(whole, &mut |seq, _| {
                        rows += 1;
                        let is_behind = tree == Tree::Index || seq > before;
                        before = seq;
                        // An index is bounded by its entries, which are checked elsewhere.
                        if is_behind && rows <= 2 * wanted.len() { Ok(()) } else { Err(Doubt) }
                    })
                });
                assert!(read.is_err() || tree == Tree::Index || rows <= wanted.len(), "byte {place}");
            }
            file.write_all_at(&original[place..=place], place as u64).unwrap();
        }
    }
}
