//! The order in which instances are built: what is referred to comes first; no circles.

use super::elaborate::Elaborator;
use crate::diagnostic::Diagnostic;

/// At most this many names of a circle are spelled out.
const SHOWN: usize = 6;

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

impl Elaborator<'_> {
    /// All instances, operands before users, otherwise in order of declaration. Instances of a circle are
    /// reported and left out.
    pub fn order(&mut self) -> Vec<u32> {
        let mut marks = vec![Mark::New; self.declared.len()];
        let mut circular = vec![false; self.declared.len()];
        let mut order = Vec::with_capacity(self.declared.len());
        let mut path: Vec<(u32, u32)> = Vec::new();
        for start in 0..self.declared.len() as u32 {
            if marks[start as usize] != Mark::New {
                continue;
            }
            marks[start as usize] = Mark::Open;
            path.push((start, self.declared[start as usize].references.start));
            while let Some((instance, next)) = path.last_mut() {
                if *next == self.declared[*instance as usize].references.end {
                    marks[*instance as usize] = Mark::Done;
                    order.push(*instance);
                    path.pop();
                    continue;
                }
                *next += 1;
                let Some(target) = self.references[*next as usize - 1] else { continue };
                match marks[target as usize] {
                    Mark::Done => {}
                    Mark::New => {
                        marks[target as usize] = Mark::Open;
                        path.push((target, self.declared[target as usize].references.start));
                    }
                    Mark::Open => self.report_circle(&path, target, &mut circular),
                }
            }
        }
        order.retain(|instance| !circular[*instance as usize]);
        order
    }

    fn report_circle(&mut self, path: &[(u32, u32)], target: u32, circular: &mut [bool]) {
        let start = path.iter().position(|(instance, _)| *instance == target).expect("an open instance is on the path");
        let circle: Vec<u32> = path[start..].iter().map(|(instance, _)| *instance).collect();
        circle.iter().for_each(|instance| circular[*instance as usize] = true);
        let mut names: Vec<String> =
            circle.iter().take(SHOWN).map(|i| format!("`{}`", self.instance_name(*i))).collect();
        if circle.len() > SHOWN {
            names.push(format!("{} more", circle.len() - SHOWN));
        }
        let first = self.instance_name(target);
        let message = format!("`{first}` is computed from itself");
        let (name, _) = self.name_and_attributes(target);
        let fault = Diagnostic::error("region.cycle", message, name.span, format!("`{first}` needs itself"));
        let help = format!("each needs the next: {}, and again `{first}`", names.join(", "));
        self.enter(target);
        self.report_instance(fault.help(help));
        self.loops.clear();
    }
}
